"""The web page in Chromium. These tests need Playwright's package, and are skipped unless
SDTUI_TEST_BROWSER names a Chromium; SDTUI_TEST_AXE names axe-core's axe.min.js."""
