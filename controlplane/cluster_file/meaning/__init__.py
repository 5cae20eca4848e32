"""What records mean together: from decoded records to the packages' own types.

Each function returns a value in any case and tells what is wrong to `findings`;
the caller refuses the whole when there was an error.
"""
