"""The shared library of the Latent Genre notebooks: corpus -> features -> latents -> clusters -> scores -> report."""
