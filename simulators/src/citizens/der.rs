//! Writes DER (X.690), as much as cards and their signers need.

/// One element: tag, length, content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match content.len() {
        length @ 0..=0x7F => der.push(length as u8),
        length @ 0x80..=0xFF => der.extend_from_slice(&[0x81, length as u8]),
        length => der.extend_from_slice(&[0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend_from_slice(content);
    der
}

/// SEQUENCE of elements.
pub(super) fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(0x30, &elements.concat())
}

/// SET OF: DER orders its elements by their bytes.
pub(super) fn set_of(mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort();
    element(0x31, &elements.concat())
}

/// INTEGER from an unsigned number, the high byte first.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let front = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let mut content = bytes[front..].to_vec();
    if content.first().is_none_or(|&byte| byte >= 0x80) {
        content.insert(0, 0);
    }
    element(0x02, &content)
}

/// OBJECT IDENTIFIER.
pub(super) fn oid(arcs: &[u32]) -> Vec<u8> {
    let mut content = vec![(arcs[0] * 40 + arcs[1]) as u8];
    for &arc in &arcs[2..] {
        let sevens = (0..5).rev().map(|place| (arc >> (7 * place)) as u8 & 0x7F);
        let digits: Vec<u8> = sevens.skip_while(|&seven| seven == 0).collect();
        let last = digits.len().saturating_sub(1);
        if digits.is_empty() {
            content.push(0);
        }
        content.extend(
            digits.iter().enumerate().map(|(place, digit)| if place < last { digit | 0x80 } else { *digit }),
        );
    }
    element(0x06, &content)
}

/// OCTET STRING.
pub(super) fn octets(bytes: &[u8]) -> Vec<u8> {
    element(0x04, bytes)
}

/// BIT STRING without unused bits.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], bytes].concat())
}

/// A context-specific element, constructed: `[number]`.
pub(super) fn context(number: u8, content: &[u8]) -> Vec<u8> {
    element(0xA0 | number, content)
}

/// An ECDSA signature r‖s as SEQUENCE of two INTEGERs.
pub(super) fn ecdsa_signature(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    sequence(&[&unsigned(r), &unsigned(s)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_x690() {
        assert_eq!(oid(&[1, 2, 840, 10045, 4, 3, 2]), [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2]);
        assert_eq!(oid(&[2, 23, 136, 1, 1, 1]), [6, 6, 0x67, 0x81, 0x08, 1, 1, 1]);
        assert_eq!(oid(&[2, 5, 29, 0]), [6, 3, 0x55, 29, 0]);
        assert_eq!(unsigned(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0]), [2, 1, 0]);
        assert_eq!(element(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(element(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
        assert_eq!(set_of(vec![vec![4, 1, 2], vec![2, 1, 1]]), [0x31, 6, 2, 1, 1, 4, 1, 2]);
    }
}
