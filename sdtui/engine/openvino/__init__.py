"""Computing a model's components on a CPU by OpenVINO. The library is imported when a component is
converted, and not before."""
