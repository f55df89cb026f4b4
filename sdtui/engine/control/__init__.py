"""ControlNets: from files and pictures to what they add to the denoiser."""
