"""Steps: one function for each rule of the workflow; reads, calls the science, writes."""
