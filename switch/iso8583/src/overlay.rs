//! Dialects out of TOML: a built-in one with elements changed, added or taken away.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::dialect::{Dialect, Style};
use crate::element::{Element, Encoding, Form, Kind, Length, Sensitivity};
use crate::error::DialectError;
use crate::framing::FRAME_BYTES_MAX;

/// Reads a dialect and refuses one that cannot be.
pub(crate) fn read(text: &str) -> Result<Dialect, DialectError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let reason = error.message().trim_end().to_owned();
        DialectError { line: error.span().map(|span| line(text, &span)), element: None, reason }
    })?;
    let refused = |at: &Range<usize>, element: Option<u8>, reason: String| DialectError {
        line: Some(line(text, at)),
        element,
        reason,
    };
    if let Err(reason) = readable(file.name.get_ref()) {
        return Err(refused(&file.name.span(), None, format!("name {reason}")));
    }
    if Dialect::built_in(file.name.get_ref()).is_some() {
        let reason = format!("name `{}` is a built-in dialect's", file.name.get_ref());
        return Err(refused(&file.name.span(), None, reason));
    }
    let Some(base) = Dialect::built_in(file.base.get_ref()) else {
        let reason = format!("base `{}` is not a built-in dialect", file.base.get_ref());
        return Err(refused(&file.base.span(), None, reason));
    };
    let style = style(base.style(), &file).map_err(|(at, reason)| refused(&at, None, reason))?;
    let mut elements = base.elements().to_vec();
    for (index, change) in file.element.iter().enumerate() {
        let at = change.span();
        let change = change.get_ref();
        let number = change.number;
        if file.element[..index].iter().any(|earlier| earlier.get_ref().number == number) {
            return Err(refused(&at, Some(number), "described twice".to_owned()));
        }
        apply(change, &style, &mut elements).map_err(|reason| refused(&at, Some(number), reason))?;
        let largest = Dialect::new(String::new(), style, elements.clone()).message_bytes_max();
        if largest > FRAME_BYTES_MAX {
            let reason = format!(
                "with it a message of all elements has {largest} bytes, above the {FRAME_BYTES_MAX} of a frame"
            );
            return Err(refused(&at, Some(number), reason));
        }
    }
    Ok(Dialect::new(file.name.into_inner(), style, elements))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    base: Spanned<String>,
    mti: Option<Spanned<Encoding>>,
    bitmap: Option<Spanned<Encoding>>,
    lengths: Option<Spanned<Encoding>>,
    #[serde(default)]
    element: Vec<Spanned<Change>>,
}

/// One `[[element]]`: what is not given stays as the base has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    number: u8,
    name: Option<String>,
    form: Option<String>,
    encoding: Option<Encoding>,
    sensitivity: Option<Sensitivity>,
    defined: Option<bool>,
}

fn line(text: &str, at: &Range<usize>) -> usize {
    let front = text.as_bytes().get(..at.start).unwrap_or(text.as_bytes());
    front.iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// The base's style with the file's own encodings of what belongs to no element.
fn style(base: &Style, file: &File) -> Result<Style, (Range<usize>, String)> {
    let characters = [Encoding::Ascii, Encoding::Ebcdic, Encoding::Bcd];
    let bits = [Encoding::Hex, Encoding::Binary];
    let pick = |name: &str, own: &Option<Spanned<Encoding>>, base: Encoding, allowed: &[Encoding]| match own {
        None => Ok(base),
        Some(own) if allowed.contains(own.get_ref()) => Ok(*own.get_ref()),
        Some(own) => Err((own.span(), format!("{name} cannot be {:?}", own.get_ref()).to_lowercase())),
    };
    Ok(Style {
        mti: pick("mti", &file.mti, base.mti, &characters)?,
        bitmap: pick("bitmap", &file.bitmap, base.bitmap, &bits)?,
        lengths: pick("lengths", &file.lengths, base.lengths, &characters)?,
        ..*base
    })
}

/// The longest name of a dialect or an element, in characters: one line of what is shown to people.
const NAME_CHARACTERS_MAX: usize = 64;

fn readable(name: &str) -> Result<(), String> {
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
        return Err(format!("has 1 to {NAME_CHARACTERS_MAX} characters, none of them a control character"));
    }
    Ok(())
}

/// Changes or removes one row; `elements` stays in order.
fn apply(change: &Change, style: &Style, elements: &mut Vec<Element>) -> Result<(), String> {
    match change.number {
        1 | 65 => return Err("is a bitmap, not an element".to_owned()),
        0 | 129.. => return Err("elements are 2 to 128".to_owned()),
        64 | 128 => return Err("is the MAC, 8 raw bytes in every dialect".to_owned()),
        _ => {}
    }
    let place = elements
        .binary_search_by_key(&change.number, |element| element.number)
        .expect("a built-in dialect has every element, and a number comes up once");
    let empty = change.name.is_none()
        && change.form.is_none()
        && change.encoding.is_none()
        && change.sensitivity.is_none();
    match change.defined {
        Some(false) if !empty => Err("an element that is not defined has nothing else".to_owned()),
        Some(false) => {
            elements.remove(place);
            Ok(())
        }
        _ if empty => Err("nothing is changed".to_owned()),
        _ => {
            elements[place] = changed(change, style, &elements[place])?;
            Ok(())
        }
    }
}

fn changed(change: &Change, style: &Style, base: &Element) -> Result<Element, String> {
    let form = change.form.as_deref().map(str::parse::<Form>).transpose()?.unwrap_or(base.form);
    let inherited = if form.kind == base.form.kind { base.encoding } else { style.encoding(form.kind) };
    let name = match &change.name {
        Some(name) => {
            readable(name).map(|()| Cow::Owned(name.clone())).map_err(|why| format!("name {why}"))?
        }
        None => base.name.clone(),
    };
    let element = Element {
        number: change.number,
        name,
        form,
        encoding: change.encoding.unwrap_or(inherited),
        sensitivity: change.sensitivity.unwrap_or(base.sensitivity),
    };
    consistent(&element)?;
    still_hidden(&element, base)?;
    Ok(element)
}

/// What no single key shows.
fn consistent(element: &Element) -> Result<(), String> {
    let Element { form, encoding, sensitivity, .. } = element;
    let fixed = matches!(form.length, Length::Fixed(_));
    if !form.kind.fits(*encoding) {
        return Err(format!("{form} cannot be {encoding:?}").to_lowercase());
    }
    if form.kind == Kind::Signed && !fixed {
        return Err("x+n has a fixed length".to_owned());
    }
    if *encoding == Encoding::Hex && !fixed {
        return Err("hex has a fixed length: nobody agrees whether a length in front counts bytes or digits"
            .to_owned());
    }
    if form.kind == Kind::Binary && *sensitivity == Sensitivity::Account {
        return Err("binary content cannot be masked as an account".to_owned());
    }
    Ok(())
}

/// A file may hide more, but never bring out what nobody may see: cards, accounts, PIN blocks, keys, tracks, and what
/// the citizen's chip says. Only text that the base calls personal for want of knowing better may be opened.
fn still_hidden(element: &Element, base: &Element) -> Result<(), String> {
    let may_be = match base.sensitivity {
        Sensitivity::Open => true,
        Sensitivity::Account => element.sensitivity != Sensitivity::Open,
        Sensitivity::Personal => base.form.kind != Kind::Binary || element.sensitivity != Sensitivity::Open,
        Sensitivity::Secret => element.sensitivity == Sensitivity::Secret,
    };
    if may_be {
        return Ok(());
    }
    let (from, to) = (base.sensitivity, element.sensitivity);
    Err(format!("is {from:?} and cannot become {to:?}").to_lowercase())
}
