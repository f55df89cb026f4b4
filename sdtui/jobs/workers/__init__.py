"""What makes the pictures of jobs: a generator in this process, or one in a process of its own for
each of several devices."""
