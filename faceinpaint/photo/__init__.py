"""A person's own photograph, from file to file. No TensorFlow, unless faces are looked for.

What lives here: reading and writing pictures with all they carry (`read`, `write`, `kinds`), finding faces (`detect`,
`upright`, `alignment`), the order of work that repairs one (`repair`, and its steps), and the command (`command`).
"""

__all__ = ["alignment", "command", "detect", "read", "repair", "write"]
