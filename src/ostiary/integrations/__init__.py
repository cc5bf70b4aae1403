"""Ready-made pieces for other libraries; each needs the library that it is named after or speaks to."""
