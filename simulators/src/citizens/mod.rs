//! Synthetic citizens, their cards and the authorities that sign them, any number from one seed.
