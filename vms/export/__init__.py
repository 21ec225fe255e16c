"""What leaves a lab as a file, and comes back: event logs of its runs, and the lab itself.

`events` plays a run again and streams what it logs; `write` puts a whole lab into one file;
`check` and `read` make a lab of such a file, trusting nothing in it.
"""
