"""The nouns every other room is built from: values, tasks, events, commands, roles, errors.

Nothing here imports anything of Querist's own outside this folder, starts a thread, reads a
clock or touches a file.
"""
