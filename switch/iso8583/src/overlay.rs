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
    if file.name.get_ref().is_empty() || Dialect::built_in(file.name.get_ref()).is_some() {
        let reason = format!("name \"{}\" is empty or a built-in dialect's", file.name.get_ref());
        return Err(refused(&file.name.span(), None, reason));
    }
    let Some(base) = Dialect::built_in(file.base.get_ref()) else {
        let reason = format!("base \"{}\" is not a built-in dialect", file.base.get_ref());
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
    }
    let dialect = Dialect::new(file.name.into_inner(), style, elements);
    let largest = dialect.message_bytes_max();
    if largest > FRAME_BYTES_MAX {
        let reason = format!(
            "a message with every element has {largest} bytes, above the {FRAME_BYTES_MAX} of a frame"
        );
        return Err(DialectError { line: None, element: None, reason });
    }
    Ok(dialect)
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

/// Changes, adds or removes one row; `elements` stays in order.
fn apply(change: &Change, style: &Style, elements: &mut Vec<Element>) -> Result<(), String> {
    let number = change.number;
    match number {
        1 | 65 => return Err("is a bitmap, not an element".to_owned()),
        0 | 129.. => return Err("elements are 2 to 128".to_owned()),
        64 | 128 => return Err("is the MAC, 8 raw bytes in every dialect".to_owned()),
        _ => {}
    }
    let place = elements.binary_search_by_key(&number, |element| element.number);
    if change.defined == Some(false) {
        if change.name.is_some()
            || change.form.is_some()
            || change.encoding.is_some()
            || change.sensitivity.is_some()
        {
            return Err("an element that is not defined has nothing else".to_owned());
        }
        let place = place.map_err(|_| "is not defined in the base either".to_owned())?;
        elements.remove(place);
        return Ok(());
    }
    let base = place.ok().map(|place| elements[place].clone());
    let element = changed(change, style, base)?;
    consistent(&element)?;
    match place {
        Ok(place) => elements[place] = element,
        Err(place) => elements.insert(place, element),
    }
    Ok(())
}

fn changed(change: &Change, style: &Style, base: Option<Element>) -> Result<Element, String> {
    let form = change.form.as_deref().map(str::parse::<Form>).transpose()?;
    let missing = |what: &str| format!("is new here, and has no {what}");
    let same_kind = base.as_ref().filter(|base| form.is_none_or(|form| form.kind == base.form.kind));
    let form = form.or(base.as_ref().map(|base| base.form)).ok_or_else(|| missing("form"))?;
    let inherited = same_kind.map_or(style.encoding(form.kind), |base| base.encoding);
    let name = change.name.clone().map(Cow::Owned);
    Ok(Element {
        number: change.number,
        name: name.or(base.as_ref().map(|base| base.name.clone())).ok_or_else(|| missing("name"))?,
        form,
        encoding: change.encoding.unwrap_or(inherited),
        sensitivity: change
            .sensitivity
            .or(base.as_ref().map(|base| base.sensitivity))
            .ok_or_else(|| missing("sensitivity"))?,
    })
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
