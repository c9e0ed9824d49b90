//! Why something is refused: files, acts, days, matches by hand and mappings, by their names, so that neither language can lack one.

use casework::{CASES_MAX, NoTotals, NotByHand, NotDay, PARTS_MAX, Refused};
use exchange::{Reason, values_of};
use reconciliation::Misfit;

use super::{Texts, with};
use crate::format;

impl Texts {
    /// Why a line of a file is not taken. What an earlier version has recorded and nobody knows any more is quoted.
    pub(crate) fn reject_reason(&self, reason: &str) -> String {
        if !self.is_vietnamese() {
            return reason.to_owned();
        }
        match Reason::read(reason) {
            Some((known, values)) => {
                values.iter().fold(vietnamese(known).to_owned(), |text, value| with(&text, value))
            }
            None => with(self.reason_quoted, reason),
        }
    }

    /// What of a file is wrong.
    pub(crate) fn reject_field<'a>(&self, field: &'a str) -> &'a str {
        if self.is_vietnamese() { vietnamese_field(field) } else { field }
    }

    /// Why a file was refused, as it was recorded, without its kind.
    pub(crate) fn recorded_refusal(&self, recorded: &str) -> String {
        let behind_kind = recorded.split_once(": ").map_or(recorded, |(_, behind)| behind);
        let counted = behind_kind.strip_suffix(AND_MORE.1).and_then(|front| front.rsplit_once(AND_MORE.0));
        let (first, more) = counted.map_or((behind_kind, None), |(first, more)| (first, Some(more)));
        let Some([line, field, value, reason]) =
            values_of(RECORDED, first).and_then(|values| <[&str; 4]>::try_from(values).ok())
        else {
            return with(self.reason_quoted, recorded);
        };
        let reason = self.reject_reason(reason);
        let (words, line) =
            if line == "0" { (self.reject_of_file, None) } else { (self.reject_at, Some(line)) };
        let parts = line.into_iter().chain([self.reject_field(field), value, &reason]);
        let told = parts.fold(words.to_owned(), |text, part| with(&text, part));
        match more {
            Some(more) => format!("{told}; {}", with(self.rejects_more, more)),
            None => told,
        }
    }

    /// Why a day is not closed or settled.
    /// Why members' totals would be held against nothing.
    pub(crate) fn no_totals(&self, slip: NoTotals) -> String {
        match slip {
            NoTotals::Day(day) => with(self.totals_no_day, format::day(day)),
            NoTotals::Stranger { line, bank } => with(&with(self.totals_stranger, line), bank),
        }
    }

    pub(crate) fn not_day(&self, reason: NotDay) -> &'static str {
        match reason {
            NotDay::Unknown => self.not_closed_unknown,
            NotDay::Open => self.not_closed_open,
            NotDay::Reading => self.not_closed_reading,
            NotDay::Broken => self.not_closed_broken,
            NotDay::EarlierOpen => self.not_closed_earlier,
            NotDay::ClosedAlready => self.not_closed_already,
            NotDay::ClosedBehind => self.not_closed_behind,
            NotDay::LaterClosed => self.not_closed_later,
            NotDay::NotClosed => self.not_settled_open,
            NotDay::SettledAlready => self.not_settled_already,
        }
    }

    /// Why nothing was matched or parted by hand.
    fn not_by_hand(&self, reason: NotByHand) -> &'static str {
        match reason {
            NotByHand::Unnamed => self.by_hand_unnamed,
            NotByHand::SaidAlready => self.by_hand_said,
            NotByHand::Full => self.by_hand_full,
        }
    }

    /// Why a line and a transaction cannot belong together, or be parted.
    pub(crate) fn misfit(&self, misfit: Misfit) -> &'static str {
        match misfit {
            Misfit::Line => self.misfit_line,
            Misfit::Ours => self.misfit_ours,
            Misfit::Bank => self.misfit_bank,
            Misfit::NoCash => self.misfit_no_cash,
            Misfit::Apart => self.misfit_apart,
        }
    }

    /// Why an act is refused.
    pub(crate) fn refusal(&self, refused: &Refused) -> String {
        match refused {
            Refused::OwnProposal(_) => self.not_own_proposal.to_owned(),
            Refused::State { .. } | Refused::OtherProposal => self.case_moved_on.to_owned(),
            Refused::NoBank => self.bank_missing.to_owned(),
            Refused::NobodyOpposite => self.acquirer_missing.to_owned(),
            Refused::AboveOpen { most_minor, .. } => with(self.amount_above, most_minor),
            Refused::NobodyToRefund => self.nobody_to_refund.to_owned(),
            Refused::BookedElsewhere => self.case_booked_elsewhere.to_owned(),
            Refused::BookedBeside => self.case_booked_beside.to_owned(),
            Refused::NothingDebited => self.case_nothing_debited.to_owned(),
            Refused::Text(_, most) => with(self.text_bad, most),
            Refused::Amount(_) => self.amount_bad.to_owned(),
            Refused::OtherWay { .. } => self.amount_other_way.to_owned(),
            Refused::Day { reason, .. } => self.not_day(*reason).to_owned(),
            Refused::Hand(reason) => self.not_by_hand(*reason).to_owned(),
            Refused::File(refusal) => self.recorded_refusal(&refusal.to_string()),
            Refused::TakeBack(_) => self.take_back_moved_on.to_owned(),
            Refused::Parts(..) => with(self.parts_bad, PARTS_MAX),
            Refused::Undo => self.undo_reopens.to_owned(),
            Refused::Full => with(self.cases_full, CASES_MAX),
        }
    }

    /// Why a text is no mapping: where it is, as the reader of TOML says, and its own words in English.
    pub(crate) fn no_mapping(&self, text: &str, error: &toml::de::Error) -> String {
        let message = error.message();
        let named = message.split('`').nth(1).unwrap_or("");
        let said = match error.span().map(|span| (span.start, text.get(..span.start))) {
            _ if message.starts_with("missing field") => with(self.mapping_lacks, named),
            _ if message.starts_with("unknown field") => with(self.mapping_unknown, named),
            Some((_, Some(before))) => {
                let number = before.matches('\n').count();
                let line: String = text.lines().nth(number).unwrap_or("").trim().chars().take(80).collect();
                with(&with(self.mapping_line, number + 1), line)
            }
            _ => self.mapping_unlike.to_owned(),
        };
        if self.is_vietnamese() { said } else { format!("{said} {message}") }
    }
}

/// A reason in Vietnamese, with `{}` where a value stands.
fn vietnamese(reason: Reason) -> &'static str {
    match reason {
        Reason::NoAmount => "không phải số tiền",
        Reason::Thousands => "hàng nghìn không cách nhau ba chữ số",
        Reason::MaybeThousands => "có hơn {} chữ số sau dấu phẩy: có thể là hàng nghìn",
        Reason::Fraction => "có phần lẻ của đơn vị nhỏ nhất",
        Reason::NoDateAs => "không phải ngày viết theo {}",
        Reason::NoDate => "không phải ngày",
        Reason::NoTime => "không phải giờ viết theo hh:mm:ss",
        Reason::NoTimeBehindDate => "sau ngày không có giờ, như trong {} hh:mm:ss",
        Reason::NoNumber => "không phải số nguyên, hoặc quá lớn",
        Reason::NoRrn => "RRN có 12 ký tự",
        Reason::NoTerminal => "mã máy có 8 ký tự",
        Reason::NoStan => "STAN là số không quá 999999",
        Reason::NoCurrency => "loại tiền là ba chữ số, hoặc chữ như VND",
        Reason::MinusBesideDirection => "dấu trừ bên cạnh chiều nợ có",
        Reason::NoDirection => "không phải nợ ({}) cũng không phải có ({})",
        Reason::NothingPosted => "không hạch toán gì",
        Reason::NoCount => "một dòng thay cho ít nhất một giao dịch",
        Reason::BehindTrailer => "đứng sau dòng tổng",
        Reason::TwoTrailers => "đã có một dòng tổng",
        Reason::NoTrailer => "tệp không có dòng tổng: có thể đã bị cắt",
        Reason::OtherCount => "thật ra có {} dòng",
        Reason::OtherSum => "các dòng cộng lại là {}",
        Reason::NoColumn => "tệp không có cột tên này",
        Reason::EmptyFile => "tệp trống",
        Reason::Empty => "trống",
        Reason::NoUtf8 => "không phải UTF-8",
        Reason::NoCsv => "không đọc được theo CSV (chương trình đọc báo: {})",
        Reason::QuotationOpen => "kéo sang dòng sau: dấu ngoặc kép chưa đóng",
        Reason::MoreValues => {
            "có {} giá trị, mà dòng đầu có {}: giá trị có chứa dấu phân cách phải đặt trong dấu ngoặc kép"
        }
        Reason::LineEnds => {
            "dòng kết thúc giữa các cột của nó, có thể đã bị cắt: hãy thêm khoảng trắng cho đủ, hoặc khai cột là {}- nếu giá trị kéo đến cuối dòng"
        }
        Reason::Delimiter => "chỉ nhận một ký tự ASCII",
        Reason::BytesMost => "nhiều nhất {} byte",
        Reason::LinesMost => "nhiều nhất {} dòng",
        Reason::ColumnsMost => "nhiều nhất {} cột",
        Reason::ValueBytesMost => "một ô nhiều nhất {} byte",
        Reason::NoOutcome => "phải là taken, none, kept hoặc retracted",
        Reason::OtherMoved => "số tiền đã ra hoặc vào là {}",
        Reason::DigitsBehind => {
            "sau khoảng trắng còn chữ số: nếu thuộc về số này thì khai thousands = \" \" trong cách đọc để đọc số tiền như vậy"
        }
        Reason::MinusInJournal => "có dấu trừ: tiền ra hay tiền vào do từ ngữ của nhật ký cho biết",
        Reason::HalfDay => "chỉ đọc giờ theo 24 giờ, mà sau giờ có {}",
        Reason::NotesUnclear => {
            "trong giao dịch này tiền ra vào nhiều lần mà trước mỗi lần không ghi bao nhiêu: hãy nộp nhật ký dạng chuẩn cho ngày này, hoặc khai từ ngữ khác trong cách đọc"
        }
        Reason::AnotherBefore => {
            "trong giao dịch này trước đó đã có giá trị khác: thiếu phần kết thúc giữa hai giao dịch, hoặc từ ngữ trong cách đọc chỉ hai thứ"
        }
        Reason::NoRequested => {
            "có tiền ra vào mà giao dịch không có số tiền yêu cầu: hãy xem từ ngữ cho số tiền trong cách đọc"
        }
        Reason::NoEnd => "giao dịch cuối không có phần kết thúc: nhật ký máy có thể đã bị cắt",
        Reason::NotesMost => "nhiều nhất {} tờ",
        Reason::CassetteImpossible => "không hộp tiền nào chứa được nhiều như vậy",
        Reason::SameFile => "tệp này đã được nhận cho ngày {}, phần {}",
        Reason::OtherMachine => "là của máy khác với máy đã nêu",
        Reason::NothingBegins => {
            "không có giao dịch nào bắt đầu trong tệp: từ ngữ của hãng khác, hoặc không phải UTF-8"
        }
        Reason::OtherFile => "tệp khác đã được nhận cho ngày {}, phần {}: {}",
        Reason::BankMissing => "hạch toán là của một ngân hàng: hãy chọn",
        Reason::TerminalMissing => "nhật ký máy dạng gốc là của một máy: hãy ghi mã máy",
        Reason::BankNotWanted => "chỉ hạch toán mới nêu ngân hàng: hãy bỏ trống",
        Reason::TerminalNotWanted => "chỉ nhật ký máy mới nêu mã máy: hãy bỏ trống",
        Reason::OtherLayout => "cách đọc này dành cho loại tệp khác",
        Reason::NoBank => "không phải mã ngân hàng",
        Reason::NoElement => "không phải phần tử 74 đến 89, hoặc 97",
        Reason::ElementTwice => "ngân hàng có phần tử này hai lần",
        Reason::NoSheet => "không có trang tính nào",
        Reason::SheetUnordered => "các dòng không theo thứ tự",
        Reason::SheetUnreadable => "không đọc được (chương trình đọc báo: {})",
        Reason::Unpacks => "giải nén ra hơn {} byte",
        Reason::TextsUnpack => "phần chữ giải nén ra hơn {} byte",
        Reason::StylesUnpack => "phần định dạng giải nén ra hơn {} byte",
        Reason::TextsMost => "tự khai có hơn {} đoạn chữ",
        Reason::StyleTagMost => "một thẻ định dạng dài hơn {} byte",
        Reason::FormatsMost => "có hơn {} định dạng ô",
        Reason::NoReader => "không chạy được chương trình đọc ({})",
        Reason::ReaderLate => "không đọc xong trong {} ms",
        Reason::ReaderOdd => "chương trình đọc trả lời không hợp lệ ({})",
        Reason::ReaderDied => {
            "chương trình đọc đã dừng ({}): cần hơn {} byte hoặc {} s tính toán, hoặc tệp có hại"
        }
    }
}

/// What a file's refusal calls a piece of the file, in Vietnamese; with the heading that a column of the normal form has. A heading of a bank's own stays.
fn vietnamese_field(field: &str) -> &str {
    match field {
        "line" => "dòng",
        "file" => "tệp",
        "trailer" => "dòng tổng",
        "sheet" => "trang tính",
        "workbook" => "bảng tính",
        "delimiter" => "dấu phân cách",
        "start" => "bắt đầu",
        "end" => "kết thúc",
        "date and time" => "ngày giờ",
        "part" => "phần",
        "layout" => "cách đọc",
        "sum" => "tổng",
        "count" => "số dòng (count)",
        "bank" => "ngân hàng (bank)",
        "terminal" => "máy (terminal)",
        "amount" => "số tiền (amount)",
        "direction" => "chiều nợ có (direction)",
        "currency" => "loại tiền (currency)",
        "day" => "ngày (day)",
        "at" => "thời điểm (at)",
        "time" => "giờ (time)",
        "sequence" => "số thứ tự (sequence)",
        "requested" => "yêu cầu (requested)",
        "moved" => "tiền đã ra hoặc vào (moved)",
        "outcome" => "kết quả (outcome)",
        "cassette" => "hộp (cassette)",
        "note" => "mệnh giá (note)",
        "opening" => "đầu kỳ (opening)",
        "loaded" => "nạp (loaded)",
        "dispensed" => "đã chi (dispensed)",
        "taken" => "đã lấy tiền (taken)",
        "retracted" => "đã thu lại (retracted)",
        "stacked" => "đã nhận vào (stacked)",
        "notes" => "tờ tiền",
        "counted" => "kiểm đếm (counted)",
        "element" => "phần tử (element)",
        "value" => "số (value)",
        own => own,
    }
}

/// What stands between a recorded refusal and how many more there are ([`exchange::Refusal`]).
const AND_MORE: (&str, &str) = ("; and ", " more");

/// The first reject of a recorded refusal, behind its kind.
const RECORDED: &str = "line {}, {}: `{}`: {}";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{ENGLISH, VIETNAMESE};
    use super::*;

    /// Words of which no English refusal is without one; names of columns and formats are none of them.
    const ENGLISH_WORDS: [&str; 22] = [
        "the", "it", "is", "are", "was", "not", "of", "than", "more", "most", "a", "an", "has", "have",
        "file", "day", "line", "lines", "already", "there", "to", "write",
    ];

    fn english_words(text: &str) -> Vec<&str> {
        let words = text.split(|it: char| !it.is_alphabetic());
        words.filter(|word| ENGLISH_WORDS.contains(&word.to_lowercase().as_str())).collect()
    }

    /// Lists of reasons were translated by hand, and whatever was not in them stood in English on Vietnamese pages.
    #[test]
    fn no_refusal_stands_in_english_on_a_vietnamese_page() {
        let told = |reason: Reason| {
            let values = vec!["4711"; reason.text().matches("{}").count()];
            let text = values.iter().fold(reason.text().to_owned(), |text, value| with(&text, value));
            (VIETNAMESE.reject_reason(&text), ENGLISH.reject_reason(&text), text)
        };
        for reason in Reason::ALL {
            let (vietnamese, english, text) = told(*reason);
            assert_eq!(english, text);
            assert!(vietnamese != text && english_words(&vietnamese).is_empty(), "{text}: {vietnamese}");
            assert_eq!(vietnamese.matches("4711").count(), text.matches("4711").count(), "{vietnamese}");
            assert!(!vietnamese.contains("{}"), "{vietnamese}");
            let recorded = format!("unreadable_line: line 3, terminal: `x`: {text}; and 12 more");
            let refusal = VIETNAMESE.recorded_refusal(&recorded);
            assert_eq!(refusal, format!("dòng 3, máy (terminal): “x”: {vietnamese}; và 12 lỗi nữa"));
        }
        let day = "2026-05-04".parse().unwrap();
        let refusal = exchange::Refusal::place("bank", Reason::BankMissing);
        let mut refused = vec![
            Refused::OwnProposal("lan".to_owned()),
            Refused::State { found: casework::CaseState::Open, wanted: "proposed" },
            Refused::Text("note", 5),
            Refused::File(refusal),
            Refused::Parts(3, 2),
            Refused::Amount(5),
            Refused::OtherWay { amount_minor: 5, open_minor: -5 },
            Refused::NoBank,
            Refused::NobodyOpposite,
            Refused::AboveOpen { amount_minor: 5, most_minor: 4 },
            Refused::NobodyToRefund,
            Refused::BookedElsewhere,
            Refused::BookedBeside,
            Refused::NothingDebited,
            Refused::OtherProposal,
            Refused::Undo,
            Refused::Full,
        ];
        refused.extend(NotDay::ALL.map(|reason| Refused::Day { day, reason }));
        refused.extend(NotByHand::ALL.map(Refused::Hand));
        for refused in refused {
            let (vietnamese, english) = (VIETNAMESE.refusal(&refused), ENGLISH.refusal(&refused));
            assert!(english_words(&vietnamese).is_empty(), "{refused}: {vietnamese}");
            assert!(vietnamese != english && !english_words(&english).is_empty(), "{refused}: {english}");
        }
        for misfit in [Misfit::Line, Misfit::Ours, Misfit::Bank, Misfit::NoCash, Misfit::Apart] {
            assert!(
                english_words(VIETNAMESE.misfit(misfit)).is_empty()
                    && VIETNAMESE.misfit(misfit) != ENGLISH.misfit(misfit)
            );
        }
    }

    #[test]
    fn what_was_recorded_before_or_is_of_the_whole_file_is_told_too() {
        for (recorded, vietnamese) in [
            (
                "control_total_wrong: line 3, count: `2`: there are 1 lines",
                "dòng 3, số dòng (count): “2”: thật ra có 1 dòng",
            ),
            (
                "duplicate_file: line 0, file: ``: the same file was taken for 2026-05-04, part 1",
                "cả tệp, tệp: “”: tệp này đã được nhận cho ngày 2026-05-04, phần 1",
            ),
            (
                "unreadable_line: line 1, So tien: `x`: of an earlier version",
                "dòng 1, So tien: “x”: lý do đã ghi: “of an earlier version”",
            ),
            ("odd", "lý do đã ghi: “odd”"),
        ] {
            assert_eq!(VIETNAMESE.recorded_refusal(recorded), vietnamese);
        }
    }

    #[test]
    fn where_a_mapping_is_wrong_is_told_in_both_languages() {
        for (text, vietnamese, english) in [
            (
                "[postings]\nform = = 3\n",
                "Dòng 2: không hiểu “form = = 3”.",
                "Line 2: “form = = 3” is not understood.",
            ),
            (
                "[postings]\nodd = 3\n",
                "Không có mục nào tên “odd” ở đây.",
                "There is nothing of the name “odd” here.",
            ),
        ] {
            let error = toml::from_str::<exchange::Layout>(text).unwrap_err();
            assert_eq!(VIETNAMESE.no_mapping(text, &error), vietnamese, "{error}");
            assert!(ENGLISH.no_mapping(text, &error).starts_with(english), "{error}");
        }
    }
}
