//! What other parts say in English alone (acts of the audit, reasons of files), and the same in Vietnamese.

use super::{Texts, with};

/// What the audit calls an act, and the same in Vietnamese. The file has one language, so that it can be searched and checked.
pub(super) const ACTS: &[(&str, &str)] = &[
    ("log-in", "đăng nhập"),
    ("log-in failed", "đăng nhập sai"),
    ("log-out", "đăng xuất"),
    ("password changed", "đổi mật khẩu"),
    ("password not changed", "đổi mật khẩu không thành"),
    ("person added", "thêm người dùng"),
    ("person disabled", "chặn người dùng"),
    ("person enabled", "cho người dùng vào lại"),
    ("citizen searched", "tìm theo công dân"),
    ("citizen search refused: too many", "từ chối tìm công dân: quá nhiều"),
    ("citizen number seen", "xem số định danh đầy đủ"),
    ("citizen number refused: too many", "từ chối xem số định danh: quá nhiều"),
    ("transactions exported", "xuất danh sách giao dịch"),
    ("bank's file exported", "xuất tệp cho ngân hàng"),
    ("exceptions exported", "xuất danh sách chênh lệch"),
    ("refused: maker is never checker", "từ chối: người đề xuất không được duyệt"),
    ("cutover asked for", "yêu cầu chuyển ngày"),
    ("suspense resolved", "ghi quyết định"),
    ("refused for want of a role", "từ chối: thiếu vai trò"),
    ("form from elsewhere refused", "từ chối biểu mẫu từ nơi khác"),
    ("form without its token refused", "từ chối biểu mẫu thiếu mã"),
    ("session used from elsewhere, ended", "phiên bị dùng từ nơi khác, đã kết thúc"),
];

impl Texts {
    /// An act of the audit.
    pub(crate) fn act<'a>(&self, act: &'a str) -> &'a str {
        let known = ACTS.iter().find(|(name, _)| *name == act && self.is_vietnamese());
        known.map_or(act, |(_, vietnamese)| vietnamese)
    }

    /// Why a line of a file is not taken. What is not known stays as it is told.
    pub(crate) fn reject_reason(&self, reason: &str) -> String {
        let in_vietnamese = |(english, vietnamese): &(&str, &str)| {
            let values = values_of(english, reason)?;
            Some(values.iter().fold((*vietnamese).to_owned(), |text, value| with(&text, value)))
        };
        let known = REASONS.iter().filter(|_| self.is_vietnamese()).find_map(in_vietnamese);
        known.unwrap_or_else(|| reason.to_owned())
    }
}

/// Why a line of a file is not taken, as the crate `exchange` says it, and the same in Vietnamese; a value stands for `{}`.
pub(super) const REASONS: &[(&str, &str)] = &[
    ("it is not an amount", "không phải số tiền"),
    ("its thousands are not separated by three digits", "hàng nghìn không cách nhau ba chữ số"),
    ("it has a fraction of the smallest unit", "có phần lẻ của đơn vị nhỏ nhất"),
    ("it is not a date written as {}", "không phải ngày viết theo {}"),
    ("it is not a time written as hh:mm:ss", "không phải giờ viết theo hh:mm:ss"),
    ("there is no time behind the date", "sau ngày không có giờ"),
    ("it is not a whole number, or too large", "không phải số nguyên, hoặc quá lớn"),
    ("a minus beside a direction", "dấu trừ bên cạnh chiều nợ có"),
    ("it is neither a debit nor a credit", "không phải nợ cũng không phải có"),
    ("nothing is posted", "không hạch toán gì"),
    ("it stands behind the trailer", "đứng sau dòng tổng"),
    ("there is a trailer already", "đã có một dòng tổng"),
    ("the file has no trailer: it may have been cut", "tệp không có dòng tổng: có thể đã bị cắt"),
    ("there are {} lines", "thật ra có {} dòng"),
    ("the lines come to {}", "các dòng cộng lại là {}"),
    ("the file has no column of this name", "tệp không có cột tên này"),
    ("the file is empty", "tệp trống"),
    ("it is not UTF-8", "không phải UTF-8"),
    ("it is empty", "trống"),
    ("it is taken, none, kept or retracted", "phải là taken, none, kept hoặc retracted"),
    ("the same file was taken for {}, part {}", "tệp này đã được nhận cho ngày {}, phần {}"),
    ("another file was taken for {}, part {}: {}", "tệp khác đã được nhận cho ngày {}, phần {}: {}"),
    ("postings are of a bank: name it", "hạch toán là của một ngân hàng: hãy chọn"),
    ("a raw journal is of one machine: name it", "nhật ký gốc là của một máy: hãy ghi mã máy"),
    ("the layout is for another kind of file", "cách đọc này dành cho loại tệp khác"),
    ("it is not a bank's number", "không phải mã ngân hàng"),
    ("it is not an element of 74 to 89, or 97", "không phải phần tử 74 đến 89, hoặc 97"),
    ("the bank has it twice", "ngân hàng có phần tử này hai lần"),
];

/// What stands in a text where its pattern has `{}`; nothing where the text is not the pattern's.
fn values_of<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut values = Vec::new();
    for part in parts {
        let at = if part.is_empty() { rest.len() } else { rest.find(part)? };
        values.push(&rest[..at]);
        rest = &rest[at + part.len()..];
    }
    rest.is_empty().then_some(values)
}
