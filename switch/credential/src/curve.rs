//! The domain parameters of the curves: an explicit description has to be one of these in every value.

use crate::algorithm::Curve;

/// Domain parameters in hex (FIPS 186-4, D.1.2; RFC 5639, section 3); the cofactor is 1.
pub(crate) struct Domain {
    pub(crate) curve: Curve,
    /// Content of the curve's OBJECT IDENTIFIER.
    pub(crate) oid: &'static [u8],
    pub(crate) prime: &'static str,
    pub(crate) a: &'static str,
    pub(crate) b: &'static str,
    /// Uncompressed.
    pub(crate) generator: &'static str,
    pub(crate) order: &'static str,
    /// The seed that may stand beside the coefficients.
    pub(crate) seed: Option<&'static str>,
}

/// Every curve.
pub(crate) const DOMAINS: [Domain; 4] = [
    Domain {
        curve: Curve::P256,
        oid: &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
        prime: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        a: "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
        b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
        generator: "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e\
            162bce33576b315ececbb6406837bf51f5",
        order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        seed: Some("c49d360886e704936a6678e1139d26b7819f7e90"),
    },
    Domain {
        curve: Curve::P384,
        oid: &[0x2B, 0x81, 0x04, 0x00, 0x22],
        prime: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
        a: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
        b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
        generator: "04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760a\
            b73617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e\
            5f",
        order: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        seed: Some("a335926aa319a27a1d00896a6773a4827acdac73"),
    },
    Domain {
        curve: Curve::BrainpoolP256r1,
        oid: &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07],
        prime: "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
        a: "7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
        b: "26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6",
        generator: "048bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262547ef835c3dac4fd97f8461a14611d\
            c9c27745132ded8e545c1d54c72f046997",
        order: "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
        seed: None,
    },
    Domain {
        curve: Curve::BrainpoolP384r1,
        oid: &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0B],
        prime: "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53",
        a: "7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826",
        b: "04a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11",
        generator: "041d1c64f068cf45ffa2a63a81b7c13f6b8847a3e77ef14fe3db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af\
            1e8abe1d7520f9c2a45cb1eb8e95cfd55262b70b29feec5864e19c054ff99129280e4646217791811142820341263c53\
            15",
        order: "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
        seed: None,
    },
];

/// Whether bytes are the ones that the hex digits say.
pub(crate) fn is_hex(bytes: &[u8], hex: &str) -> bool {
    let digit = |value: u8| char::from_digit(u32::from(value), 16);
    bytes.len() * 2 == hex.len()
        && bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 0xF])
            .zip(hex.chars())
            .all(|(value, c)| digit(value) == Some(c))
}
