"""Results of a finished clip in the forms that other tools read: one writer a file, all of them in `catalog`.

A writer is a function from `Results` to pieces of bytes. It may read the results more than once, and keeps no more of
them in memory than a frame, so that an hour's clip costs no more than a second's.
"""
