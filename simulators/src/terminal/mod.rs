//! A terminal: cassettes, chip reader, its duties; a machine without I/O and a thin socket driver.
