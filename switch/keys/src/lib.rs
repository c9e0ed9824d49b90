//! Keys of links and data: message authentication, sealing, pseudonyms.
