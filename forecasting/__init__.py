"""The functional core of dealpulse: vocabulary and every calculation, free of input and output."""
