//! What other parts say in English alone (acts of the audit), and the same in Vietnamese.

use super::Texts;

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
    ("cassettes exported", "xuất danh sách hộp tiền"),
    ("list of files exported", "xuất danh sách tệp"),
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
}
