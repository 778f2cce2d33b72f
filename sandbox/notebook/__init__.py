"""Notebooks: JupyterLab outside of the jail, every kernel inside one of its own."""
