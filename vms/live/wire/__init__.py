"""The machine as bytes: what a sample is made of, how it is made, and the picture it is applied to.

`blocks` is the format; `encode` makes samples of a machine; `picture` is what they are applied
to, on the server exactly as in the browser, and what snapshots are made of; `slices`, `log` and
`charts` reduce a machine that runs flat out to what a screen can show; `describe` is the part
only commands change.
"""
