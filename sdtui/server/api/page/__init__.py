"""The web page at "/": files of this package, which use the native API."""
