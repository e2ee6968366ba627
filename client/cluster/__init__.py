"""A whole cluster on one machine: its folder, its address ranges, its processes, and what keeps them running.

One parent imports what the components share, once, and forks each of them; it restarts one that dies and ends
all of them in order.  The components are named by their modules and loaded by name: nothing in here knows
their insides, and each can as well be started by hand with `python -m <component>`.
"""
