"""The API of AUTOMATIC1111's web UI, as far as its clients use it. Facts: Forge's
`modules/api/models.py` and `modules/processing.py`."""
