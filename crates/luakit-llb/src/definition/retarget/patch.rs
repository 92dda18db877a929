//! Changing an op's bytes in place: fields that don't change are copied as they stand, so that no encoder's habits are lost.

const INPUTS: u64 = 1;
const PLATFORM: u64 = 10;
const INPUT_DIGEST: u64 = 1;

/// An op's bytes with other inputs' digests and, if given, another platform. Everything else stays as it was written.
/// `None` when the bytes can't be taken apart so.
pub(super) fn patch(op: &[u8], inputs: &[&str], platform: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(op.len() + 16);
    let mut inputs = inputs.iter();
    let mut platform = platform;
    let mut rest = op;
    let mut platforms = 0;
    while !rest.is_empty() {
        let field = next_field(&mut rest)?;
        match (field.number, field.content) {
            (INPUTS, Some(input)) => {
                let input = patch_input(input, inputs.next()?)?;
                put_bytes(&mut out, INPUTS, &input);
            }
            (PLATFORM, Some(_)) => {
                platforms += 1;
                match platform.take() {
                    Some(new) => put_bytes(&mut out, PLATFORM, new),
                    None => out.extend_from_slice(field.bytes),
                }
            }
            _ => out.extend_from_slice(field.bytes),
        }
    }
    // A message may be spread over several fields: nobody writes that, and it can't be patched in place.
    (platforms < 2 && platform.is_none() && inputs.next().is_none()).then_some(out)
}

fn patch_input(input: &[u8], digest: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while !rest.is_empty() {
        let field = next_field(&mut rest)?;
        if field.number == INPUT_DIGEST {
            put_bytes(&mut out, INPUT_DIGEST, digest.as_bytes());
        } else {
            out.extend_from_slice(field.bytes);
        }
    }
    Some(out)
}

/// A field as it stands on the wire.
struct Field<'a> {
    number: u64,
    /// Tag and all.
    bytes: &'a [u8],
    /// What is in it, where it has a length.
    content: Option<&'a [u8]>,
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let start = *rest;
    let tag = varint(rest)?;
    let content = match tag & 7 {
        0 => {
            varint(rest)?;
            None
        }
        1 => {
            skip(rest, 8)?;
            None
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Some(skip(rest, length)?)
        }
        5 => {
            skip(rest, 4)?;
            None
        }
        // Groups: protobuf gave them up before LLB was made.
        _ => return None,
    };
    Some(Field {
        number: tag >> 3,
        bytes: start.get(..start.len() - rest.len())?,
        content,
    })
}

fn skip<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_bytes(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

fn low_byte(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}
