//! Every word of the console, in Vietnamese and in English: one row each, so that neither language can lack one.

/// A language of the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Language {
    #[default]
    Vietnamese,
    English,
}

impl Language {
    /// BCP 47.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::Vietnamese => "vi",
            Language::English => "en",
        }
    }

    pub(crate) fn parse(code: &str) -> Option<Language> {
        [Language::Vietnamese, Language::English].into_iter().find(|language| language.code() == code)
    }

    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Language::Vietnamese => &VIETNAMESE,
            Language::English => &ENGLISH,
        }
    }
}

macro_rules! texts {
    ($($name:ident: $vietnamese:literal, $english:literal;)*) => {
        /// All texts of one language.
        pub(crate) struct Texts {
            pub(crate) language: Language,
            $(pub(crate) $name: &'static str,)*
        }

        static VIETNAMESE: Texts = Texts { language: Language::Vietnamese, $($name: $vietnamese,)* };
        static ENGLISH: Texts = Texts { language: Language::English, $($name: $english,)* };

        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$((stringify!($name), $vietnamese, $english),)*];
    };
}

texts! {
    console: "Bàn đối soát", "Clerks' console";
    product: "atm-switch", "atm-switch";
    skip: "Tới nội dung", "Skip to content";
    main_navigation: "Điều hướng chính", "Main navigation";
    other_language: "English", "Tiếng Việt";
    log_in: "Đăng nhập", "Log in";
    log_out: "Đăng xuất", "Log out";
    name: "Tên đăng nhập", "Name";
    password: "Mật khẩu", "Password";
    log_in_lead: "Mỗi việc làm ở đây được ghi vào nhật ký, cùng tên và địa chỉ của bạn.", "Whatever you do here is recorded, with your name and address.";
    log_in_failed: "Tên hoặc mật khẩu không đúng.", "The name or the password is wrong.";
    log_in_wait: "Sai quá nhiều lần. Hãy thử lại sau {} giây.", "Too many failures. Try again in {} seconds.";
    log_in_busy: "Đang có quá nhiều người đăng nhập. Hãy thử lại sau vài giây.", "Too many people are logging in. Try again in a few seconds.";
    logged_out: "Bạn đã đăng xuất.", "You are logged out.";
    session_ended: "Phiên làm việc đã hết. Hãy đăng nhập lại.", "The session has ended. Log in again.";
    account: "Tài khoản", "Account";

    day: "Ngày", "Day";
    totals: "Tổng hợp", "Totals";
    live: "Trực tiếp", "Live";
    transactions: "Giao dịch", "Transactions";
    people: "Người dùng", "People";
    audit: "Nhật ký", "Audit";
    evidence: "Bằng chứng", "Evidence";

    keyboard: "Phím tắt", "Keyboard";
    close: "Đóng", "Close";
    key_down: "Dòng sau", "Next row";
    key_up: "Dòng trước", "Row before";
    key_open: "Mở dòng", "Open the row";
    key_search: "Tìm", "Search";
    key_older: "Trang cũ hơn", "Older page";
    key_live: "Tới Trực tiếp", "Go to Live";
    key_transactions: "Tới Giao dịch", "Go to Transactions";
    key_help: "Bảng này", "This list";
    keys_on: "Dùng phím tắt một chữ", "Use single-key shortcuts";

    key_day: "Tới Ngày", "Go to Day";
    key_totals: "Tới Tổng hợp", "Go to Totals";
    day_lead: "Các ngày kinh doanh theo nhật ký.", "The business days, by the log.";
    day_open: "Đang mở", "Open";
    day_cutting_over: "Đã qua, chưa đóng", "Cut over, not closed";
    day_closed: "Đã đóng", "Closed";
    day_settled: "Đã quyết toán", "Settled";
    day_opened_at: "Mở lúc", "Opened at";
    open_day: "Ngày đang mở", "Open day";
    transactions_counted: "Giao dịch", "Transactions";
    cash_out: "Tiền đã chi", "Paid out";
    cash_in: "Tiền đã nhận", "Paid in";
    banks_count: "Số ngân hàng", "Banks";
    cash_out_chart: "Tiền đã chi theo ngày", "Paid out, day by day";
    still_reading: "Đang đọc nhật ký: {} %. Các con số chưa đủ; hãy tải lại trang.", "The log is being read: {} %. The figures are not whole yet; load the page again.";
    left_out: "Có {} bản ghi đến quá muộn, không ngày nào tính đến.", "{} records came too late for any day to count them.";
    cut_over: "Chuyển sang ngày sau", "Open the next day";
    acknowledgements: "Ngân hàng xác nhận chuyển sang ngày {}", "Banks that acknowledge the cutover to {}";
    acknowledged: "Đã xác nhận", "Acknowledged";
    not_acknowledged: "Chưa xác nhận", "Not acknowledged";
    files_of_day: "Tệp của ngày {}", "Files of {}";
    files_here: "Số tệp", "Files here";
    file_missing: "Chưa có", "Not here";
    ages: "Chênh lệch chưa xong theo tuổi", "Open exceptions by age";
    cut_over_lead: "Các ngân hàng được báo (0800/201); giao dịch đang xử lý giữ ngày của mình. Không quay lại được.", "The banks are told (0800/201); what is in flight keeps its day. There is no way back.";
    cut_over_day: "Ngày mới", "New day";
    cut_over_done: "Ngày {} đã mở.", "Day {} is open.";
    cut_over_bad: "Đây không phải một ngày.", "This is no day.";
    cut_over_refused: "Không mở được ngày này. {}", "The day was not opened. {}";
    totals_lead: "Tổng của từng ngân hàng theo 0500 và 0520, và ai nợ ai.", "Each bank's totals by 0500 and 0520, and who owes whom.";
    element_name: "Phần tử", "Element";
    amount_or_count: "Số", "Value";
    all_banks: "Tất cả", "All";
    net_positions: "Vị thế ròng", "Net positions";
    owes: "phải trả", "owes";
    is_owed: "được nhận", "is owed";
    owed_between: "Giữa các ngân hàng", "Between banks";
    issuer: "Ngân hàng phát hành", "Issuer";
    fee: "Phí", "Fee";
    adjustments: "Điều chỉnh của ngày đã đóng", "Adjustments of closed days";
    net: "Ròng", "Net";
    no_totals: "Ngày này chưa có giao dịch nào được tính.", "Nothing counts for this day yet.";
    earlier_day: "Ngày trước", "Earlier day";
    later_day: "Ngày sau", "Later day";
    to_74: "Ghi có, số lượng", "Credits, number";
    to_75: "Hoàn ghi có, số lượng", "Credits, reversal number";
    to_76: "Ghi nợ, số lượng", "Debits, number";
    to_77: "Hoàn ghi nợ, số lượng", "Debits, reversal number";
    to_78: "Chuyển khoản, số lượng", "Transfers, number";
    to_79: "Hoàn chuyển khoản, số lượng", "Transfers, reversal number";
    to_80: "Tra cứu, số lượng", "Inquiries, number";
    to_81: "Cấp phép, số lượng", "Authorisations, number";
    to_82: "Ghi có, phí xử lý", "Credits, processing fees";
    to_83: "Ghi có, phí giao dịch", "Credits, transaction fees";
    to_84: "Ghi nợ, phí xử lý", "Debits, processing fees";
    to_85: "Ghi nợ, phí giao dịch", "Debits, transaction fees";
    to_86: "Ghi có, số tiền", "Credits, amount";
    to_87: "Hoàn ghi có, số tiền", "Credits, reversal amount";
    to_88: "Ghi nợ, số tiền", "Debits, amount";
    to_89: "Hoàn ghi nợ, số tiền", "Debits, reversal amount";
    to_97: "Quyết toán ròng", "Net settlement";

    exceptions: "Chênh lệch", "Exceptions";
    exceptions_lead: "Những gì ba bên không khớp: nhật ký, ngân hàng, máy.", "Where the three sides do not agree: log, banks, machines.";
    approvals: "Phê duyệt", "Approvals";
    approvals_lead: "Đề xuất chờ người thứ hai. Người đề xuất không bao giờ là người duyệt.", "Proposals that wait for a second person. Whoever proposed never approves.";
    case: "Vụ việc", "Case";
    key_exceptions: "Tới Chênh lệch", "Go to Exceptions";
    key_approvals: "Tới Phê duyệt", "Go to Approvals";
    exception_kind: "Loại chênh lệch", "Exception";
    open_exceptions: "Chưa xong", "Open";
    value_at_risk: "Giá trị", "Value at risk";
    late_cases: "Quá hạn", "Past due";
    match_rate: "Tỷ lệ khớp", "Matched";
    ambiguous: "Dòng chưa rõ", "Ambiguous lines";
    awaiting: "Chờ tệp", "Waiting for a file";
    ours: "Bên ta", "Ours";
    theirs: "Bên kia", "Theirs";
    owner: "Người phụ trách", "Owner";
    due: "Hạn", "Due";
    age: "Tuổi", "Age";
    days: "{} ngày", "{} days";
    sort: "Sắp xếp", "Sort";
    sort_due: "Theo hạn", "By due date";
    sort_value: "Theo giá trị", "By value";
    sort_day: "Theo ngày", "By day";
    case_not_resolved: "Chưa xong", "Not resolved";
    case_open: "Đang mở", "Open";
    case_proposed: "Chờ duyệt", "Proposed";
    case_disputed: "Đang khiếu nại", "Disputed";
    case_resolved: "Đã xong", "Resolved";
    no_exceptions: "Không có chênh lệch nào khớp bộ lọc.", "No exception matches.";
    workbench: "Bàn ghép", "Workbench";
    workbench_lead: "Những gì còn mở của một ngân hàng trong một ngày, ba bên cạnh nhau: ghép bằng tay hoặc tách ra.", "What lies open of one bank and day, its three sides beside each other: match by hand, or part.";
    key_workbench: "Tới Bàn ghép", "Go to the Workbench";
    side_log: "Nhật ký chuyển mạch", "The switch's log";
    side_bank: "Ngân hàng", "Bank";
    side_machine: "Máy ATM", "Machines";
    side_empty: "Không còn gì mở.", "Nothing lies open.";
    bench_empty: "Không còn gì mở của ngân hàng này trong ngày này.", "Nothing lies open of this bank and day.";
    lacks_bank: "thiếu ở ngân hàng", "lacks the bank";
    lacks_machine: "thiếu ở máy", "lacks the machine";
    is_ambiguous: "chưa rõ của ai", "ambiguous";
    match_by_hand: "Ghép", "Match";
    part_by_hand: "Tách", "Part";
    may_be: "Có thể là", "May be";
    running_difference: "Chênh lệch của những gì đã chọn:", "Difference of what is chosen:";
    bench_keys: "j k: dòng; ← →: cột; x: chọn; m: ghép", "j k: row; ← →: column; x: choose; m: match";
    bench_choose: "Hãy chọn một giao dịch của nhật ký và ít nhất một dòng của ngân hàng hoặc máy.", "Choose one transaction of the log, and at least one line of the bank or of a machine.";
    bench_misfit: "Không ghép hay tách được. {}", "They were not matched or parted. {}";
    bench_not_together: "Dòng và giao dịch này không thể thuộc về nhau, hoặc một trong hai không còn ở đây.", "The line and the transaction cannot belong together, or one of them is not here any more.";
    bulk: "Làm cho nhiều vụ việc", "Many cases at once";
    chosen: "Đã chọn", "Chosen";
    choose: "Chọn", "Choose";
    choose_all: "Chọn cả trang", "Choose the whole page";
    assign_to: "Giao cho", "Give to";
    assign: "Giao", "Give";
    bulk_done: "Đã ghi lại cho {} vụ việc.", "Recorded for {} cases.";
    bulk_left: "{} vụ việc không làm được; lý do ở dưới.", "{} cases were left as they are; the reasons are below.";
    bulk_none: "Chưa chọn vụ việc nào.", "No case is chosen.";
    bulk_many: "Mỗi lần nhiều nhất {} vụ việc.", "{} cases at a time are the most.";
    bulk_gone: "Một vụ việc đã chọn không còn trong danh sách; hãy tải lại trang. Chưa làm gì cả.", "A case that was chosen is not in the list any more; load the page again. Nothing was done.";
    bulk_nobody: "Hãy chọn người được giao.", "Choose who gets the cases.";
    bulk_not_offered: "Không chứng minh được là tiền không ra, nên không đề xuất hoàn tiền hàng loạt.", "Nothing proves that no cash left, so no refund is proposed in bulk.";
    views: "Bộ lọc đã lưu", "Views that are kept";
    keep_view: "Lưu bộ lọc này", "Keep this view";
    forget_view: "Bỏ", "Let go";
    view_name: "Tên bộ lọc", "The view's name";
    views_full: "Đã có {} bộ lọc; hãy bỏ bớt.", "There are {} views already; let one go.";
    view_bad: "Không lưu được: tên có từ 1 đến {} ký tự, và trang phải là trang có bộ lọc, không theo công dân.", "It was not kept: a name has 1 to {} characters, and the page has to be one with filters, and not of a citizen.";
    key_choose: "Chọn dòng; cùng Shift: chọn tới dòng này", "Choose the row; with Shift: up to this row";
    key_views: "Bộ lọc đã lưu thứ 1 đến 9", "The first to ninth view that is kept";
    first_page: "Trang đầu", "First page";
    next_page: "Trang sau", "Next page";
    export_xlsx: "Xuất Excel", "Export workbook";
    line_of_log: "nhật ký {}", "log {}";
    line_of_file: "tệp {} dòng", "file {} line";
    their_line: "Dòng của bên kia", "Their line";
    rule: "Quy tắc ghép", "Matching rule";
    rule_reference: "theo RRN", "by RRN";
    rule_reference_one_to_many: "theo RRN, nhiều dòng", "by RRN, several lines";
    rule_stan: "theo STAN", "by STAN";
    rule_amount_and_time: "theo số tiền và giờ", "by amount and time";
    rule_sequence: "theo thứ tự", "by sequence";
    rule_many_to_one: "dòng gộp", "a line that sums up";
    rule_by_hand: "ghép bằng tay", "by hand";
    what_to_do: "Xử lý", "What to do";
    take: "Nhận việc", "Take it";
    release: "Thôi phụ trách", "Release it";
    propose: "Đề xuất", "Propose";
    proposed: "Đề xuất kết thúc", "Proposed end";
    proposed_amount: "Số tiền đề xuất", "Proposed amount";
    payer: "Ngân hàng trả hoặc nhận", "Bank that pays or is paid";
    maker: "Người đề xuất", "Maker";
    checked_by: "Người duyệt", "Checked by";
    approve: "Duyệt", "Approve";
    reject: "Bác", "Reject";
    why_reject: "Lý do bác", "Reason of the rejection";
    why_propose: "Lý do đề xuất", "Reason of the proposal";
    resolution_kind: "Cách kết thúc", "How it ends";
    resolution_accept: "Chấp nhận như vậy", "Accept as it is";
    resolution_refund: "Hoàn tiền cho công dân", "Refund the citizen";
    resolution_adjustment: "Điều chỉnh giữa thành viên", "Adjust between members";
    resolution_undo: "Huỷ bút toán đã ghi", "Take back what was booked";
    case_is_gone: "Không bên nào còn nêu khác biệt này; vụ việc ở đây vì đã có bút toán, đề nghị hoặc tranh chấp.", "No side shows this any more; the case is here because something was booked, proposed or disputed.";
    case_stands_alone: "Khoản đã ghi vẫn còn trong khi không bên nào còn nêu khác biệt: tệp hoặc bút toán đến muộn đã bù lại lần nữa. Hãy mở lại để đảo bút toán, hoặc đề nghị chấp nhận như hiện có.", "What was booked stands though no side shows the exception any more: what came late has made it good once more. Reopen it to take it back, or propose to accept it as it is.";
    case_is_another: "Khác biệt này không phải là khác biệt đã được xử lý ở đây trước đó: loại hoặc số tiền đã đổi.", "This is not the exception that was worked on here before: its kind or amounts have changed.";
    passed_over: "{} tệp hoặc dòng thuộc những ngày quá cũ không được đối chiếu.", "{} files or lines are of days that are no longer held, and are not matched.";
    acquirer_missing: "Vụ việc không cho biết máy của ngân hàng nào: hãy chọn ngân hàng ở phía bên kia của bút toán điều chỉnh.", "The case does not say whose terminal it was: choose the acquirer on the other side of the adjustment.";
    acquirer_opposite: "Ngân hàng sở hữu máy (khi điều chỉnh)", "Acquirer (of an adjustment)";
    bank_missing: "Hãy chọn ngân hàng trả hoặc nhận khoản này.", "Choose the bank that pays or is paid.";
    note: "Ghi chú hoặc lý do", "Note or reason";
    notes: "Ghi chú", "Notes";
    write: "Ghi chú lại", "Write it down";
    dispute: "Khiếu nại", "Dispute";
    reopen: "Mở lại", "Reopen";
    act_done: "Đã ghi lại.", "It is recorded.";
    act_bad: "Không hiểu việc hoặc số tiền này.", "This act or amount is not understood.";
    not_own_proposal: "Bạn đã đề xuất vụ này, nên người khác phải duyệt.", "You have proposed this, so somebody else has to check it.";
    case_moved_on: "Vụ việc không còn ở trạng thái đó; hãy xem lại.", "The case is no longer where it was; look again.";
    text_bad: "Hãy ghi từ 1 đến {} ký tự.", "Write 1 to {} characters.";
    amount_bad: "Số tiền không hợp với cách kết thúc này.", "The amount does not fit how it is to end.";
    files: "Quỹ và tệp", "Cash and files";
    files_lead: "Hộp tiền so với kiểm đếm, và những tệp đã nhận hoặc bị từ chối.", "Cassettes against what was counted, and the files that were taken or refused.";
    cash: "Quỹ theo hộp tiền", "Cash, cassette by cassette";
    cassette: "Hộp", "Cassette";
    note_value: "Mệnh giá", "Note";
    opening: "Đầu kỳ", "Opening";
    loaded: "Nạp", "Loaded";
    dispensed: "Đã chi", "Dispensed";
    counted: "Kiểm đếm", "Counted";
    difference: "Chênh lệch quỹ", "Difference";
    claims: "Thành viên báo", "What members claim";
    claims_lead: "Tổng mà thành viên gửi qua đường truyền hay trong tệp, so với của ta từng phần tử. Không cân hay thiếu thì thành ngoại lệ và không chặn ngày.", "Totals that members sent over their links or in a file, held against ours element by element. What differs or is missing is an exception and holds up no day.";
    claim_in_balance: "Khớp", "In balance";
    claim_missing: "Đã hỏi, chưa trả lời", "Asked, not answered";
    claim_difference: "Chênh lệch", "Difference";
    claims_taken: "Đã nhận tổng của thành viên: {} phần tử.", "Members' totals taken: {} elements.";
    member: "Thành viên", "Member";
    as_what: "Với tư cách", "As";
    no_cassettes: "Chưa có tệp kiểm đếm nào.", "No counters have been taken.";
    files_taken: "Tệp", "Files";
    file_kind: "Nội dung", "What is in it";
    whose: "Của", "Whose";
    part: "Phần", "Part";
    parts: "Trên tổng số phần", "Of so many parts";
    file_postings: "Hạch toán của ngân hàng", "Bank's postings";
    file_journal: "Nhật ký máy", "Machine's journal";
    file_counters: "Kiểm đếm quỹ", "Cash counters";
    file_totals: "Tổng của thành viên", "Members' totals";
    file_taken: "Đã nhận", "Taken";
    no_files: "Chưa có tệp nào.", "No files yet.";
    key_files: "Tới Quỹ và tệp", "Go to Cash and files";
    load_file: "Nạp tệp", "Load a file";
    load_lead: "Tệp được đọc và cho xem trước; chỉ khi bạn nhận thì mới được lưu, trọn vẹn hoặc không gì cả.", "The file is read and shown first; only when you take it is it kept, whole or not at all.";
    load_bank_hint: "Hạch toán là của một ngân hàng: hãy chọn.", "Postings are one bank's: choose it.";
    load_terminal_hint: "Mã máy chỉ cần cho nhật ký của một máy.", "The terminal is for the journal of one machine alone.";
    load_bytes_max: "Tối đa {} MiB; tệp lớn hơn nạp bằng dòng lệnh.", "{} MiB at most; a larger one is taken on the command line.";
    load_bad: "Không hiểu ô “{}”. Hãy sửa rồi chọn lại tệp.", "“{}” is not understood. Mend it and choose the file again.";
    load_empty: "Hãy chọn một tệp có nội dung.", "Choose a file that has something in it.";
    load_taken: "Đã nhận tệp: {} dòng, tổng {}.", "The file is taken: {} lines, sum {}.";
    load_refused: "Không nhận gì từ tệp, và đã ghi lại: {}.", "Nothing of the file was taken, and that is recorded: {}.";
    file: "Tệp", "File";
    reading_file: "Đang đọc…", "Reading…";
    preview: "Xem trước", "Preview";
    preview_lead: "Chưa nhận gì cả. Tệp chờ 15 phút.", "Nothing is taken yet. The file waits for 15 minutes.";
    control_totals: "Số liệu kiểm soát", "Control totals";
    bytes_size: "Số byte", "Bytes";
    lines_count: "Số dòng đọc được", "Lines read";
    lines_sum: "Tổng tiền, không kể dấu", "Sum without sign";
    first_lines: "Những dòng đầu, như đã đọc", "The first lines, as they are read";
    line: "Dòng", "Line";
    field: "Ô", "Field";
    value: "Giá trị ở đó", "What stands there";
    requested: "Yêu cầu", "Requested";
    moved: "Tiền đã ra hoặc vào", "Cash that moved";
    rejects: "Những gì sai", "What is wrong";
    and_more: "và {} dòng nữa", "and {} more";
    take_file: "Nhận tệp", "Take the file";
    record_refusal: "Ghi lại là bị từ chối", "Record that it was refused";
    download_rejects: "Tải danh sách lỗi", "Download what is wrong";
    another_file: "Chọn tệp khác", "Choose another file";
    mapping: "Cách đọc", "Mapping";
    normal_form: "Dạng chuẩn", "Normal form";
    mappings: "Cách đọc đã lưu", "Mappings that are kept";
    mappings_lead: "Cách một ngân hàng hay một loại máy viết tệp, dạng TOML; tên cũ được thay bằng nội dung mới.", "How a bank or a make of machine writes its file, as TOML; a name that is there already gets the new content.";
    no_mappings: "Chưa có cách đọc nào.", "There is none yet.";
    mapping_name: "Tên cách đọc", "The mapping's name";
    mapping_text: "Nội dung", "Content";
    keep_mapping: "Lưu cách đọc", "Keep the mapping";
    mapping_kept: "Đã lưu cách đọc {}.", "The mapping {} is kept.";
    mapping_bad: "Không lưu được. {}", "It was not kept. {}";
    no_desk: "Chưa có nơi đối soát", "There is no desk";
    no_desk_lead: "Cấu hình của chuyển mạch không có [reconciliation].", "The switch's configuration has no [reconciliation].";
    close_day: "Đóng ngày", "Close the day";
    close_lead: "Những gì đến sau khi đóng là điều chỉnh của ngày đang mở. Không mở lại được.", "What comes behind the close is an adjustment of the open day. A closed day stays closed.";
    closed_done: "Ngày {} đã đóng.", "Day {} is closed.";
    close_refused: "Không đóng được ngày này. {}", "The day was not closed. {}";
    settlement_files: "Tệp cho các ngân hàng", "Files for the banks";
    settlement_files_lead: "Như lúc ngày được đóng; tải lại lần nào cũng giống hệt nhau.", "As the day was closed; each download is the same, byte for byte.";
    settlement_file: "Tệp quyết toán", "Settlement file";
    settle_day: "Ghi là đã quyết toán", "Record it as settled";
    settle_lead: "Khi các ngân hàng đã chuyển tiền theo vị thế ròng.", "When the banks have paid by their net positions.";
    settled_done: "Ngày {} đã quyết toán.", "Day {} is settled.";
    settle_refused: "Không ghi được. {}", "It was not recorded. {}";
    ex_missing_at_bank: "Thiếu ở ngân hàng", "Missing at the bank";
    ex_missing_at_bank_says: "Nhật ký có, tệp của ngân hàng trong ngày không có.", "The log has it and the bank's file of the day has not.";
    ex_missing_at_switch: "Thiếu ở chuyển mạch", "Missing at the switch";
    ex_missing_at_switch_says: "Ngân hàng hoặc máy có, nhật ký không có.", "A bank or a machine has it and the log has not.";
    ex_missing_in_journal: "Thiếu trong nhật ký máy", "Missing in the journal";
    ex_missing_in_journal_says: "Theo nhật ký tiền đã ra hoặc vào, nhật ký máy không có dòng nào.", "Cash has moved by the log, and the machine's journal has no line of it.";
    ex_duplicate: "Trùng", "Duplicate";
    ex_duplicate_says: "Một bên có cùng một việc hai lần.", "A side has the same thing twice.";
    ex_amount_over: "Hạch toán thừa", "Amount over";
    ex_amount_over_says: "Ngân hàng hạch toán nhiều hơn phải trả.", "The bank has posted more than was due.";
    ex_amount_under: "Hạch toán thiếu", "Amount under";
    ex_amount_under_says: "Ngân hàng hạch toán ít hơn phải trả.", "The bank has posted less than was due.";
    ex_currency: "Khác loại tiền", "Other currency";
    ex_currency_says: "Hai bên khác loại tiền.", "The currencies differ.";
    ex_data_mismatch: "Thông tin không khớp", "Data mismatch";
    ex_data_mismatch_says: "Cùng một giao dịch nhưng tên gọi khác nhau.", "It is the same transaction, and its names differ.";
    ex_debited_not_dispensed: "Đã trừ tiền, không chi", "Debited, not dispensed";
    ex_debited_not_dispensed_says: "Công dân bị trừ tiền, nhật ký máy chứng minh tiền không ra.", "The citizen is debited, and the journal proves that no cash left.";
    ex_part_dispensed: "Chi một phần", "Part dispensed";
    ex_part_dispensed_says: "Tiền ra ít hơn số đã trừ.", "Less cash has left than was debited.";
    ex_dispensed_not_debited: "Đã chi, không trừ tiền", "Dispensed, not debited";
    ex_dispensed_not_debited_says: "Tiền ra nhiều hơn số đã trừ.", "More cash has left than was debited.";
    ex_retracted: "Máy thu lại tiền", "Retracted";
    ex_retracted_says: "Tiền được đưa ra rồi bị thu lại, khoản trừ vẫn còn.", "Notes were presented and drawn back in, and the debit stands.";
    ex_cash_over: "Thừa quỹ", "Cash over";
    ex_cash_over_says: "Kiểm đếm được nhiều hơn máy phải có.", "More was counted than the machine should hold.";
    ex_cash_short: "Thiếu quỹ", "Cash short";
    ex_cash_short_says: "Kiểm đếm được ít hơn máy phải có.", "Less was counted than the machine should hold.";
    ex_other_day: "Khác ngày", "Other day";
    ex_other_day_says: "Ngân hàng hạch toán vào ngày kinh doanh khác.", "The bank has posted it in another business day.";
    ex_late_reversal: "Hoàn trả muộn", "Late reversal";
    ex_late_reversal_says: "Hoàn trả quyết toán vào ngày sau ngày giao dịch.", "Its reversal settles in a later day than the transaction.";
    ex_suspense: "Chưa rõ kết quả", "Outcome unknown";
    ex_suspense_says: "Không biết đã kết thúc thế nào: cần người quyết định.", "How it ended is not known: a person has to decide.";
    ex_totals_out_of_balance: "Tổng không cân", "Totals out of balance";
    ex_totals_out_of_balance_says: "Tổng của thành viên khác tổng của ta.", "A member's totals are not ours.";
    ex_totals_missing: "Thiếu tổng", "Totals missing";
    ex_totals_missing_says: "Đã hỏi tổng của ngân hàng trong ngày mà chưa được trả lời.", "The bank was asked for its totals of the day and has not answered.";
    ex_unreadable_line: "Dòng không đọc được", "Unreadable line";
    ex_unreadable_line_says: "Một dòng của tệp không đọc được; không nhận gì từ tệp.", "A line of the file cannot be read; nothing of it was taken.";
    ex_control_total_wrong: "Sai tổng kiểm soát", "Control total wrong";
    ex_control_total_wrong_says: "Số dòng hoặc tổng tiền của tệp không đúng; không nhận gì.", "The file's count or sum is not that of its lines; nothing was taken.";
    ex_duplicate_file: "Tệp trùng", "Duplicate file";
    ex_duplicate_file_says: "Tệp đã được nhận trước đó; không nhận lại.", "The file was taken before; nothing was taken again.";
    deed_take: "nhận tệp", "file taken";
    deed_refuse: "từ chối tệp", "file refused";
    deed_keep_layout: "lưu cách đọc", "layout kept";
    deed_claim: "nhận tổng của thành viên", "member's totals";
    deed_assign: "giao việc", "assigned";
    deed_note: "ghi chú", "note";
    deed_match: "ghép bằng tay", "matched by hand";
    deed_part: "tách ra", "parted";
    deed_propose: "đề xuất", "proposed";
    deed_approve: "duyệt", "approved";
    deed_reject: "bác", "rejected";
    deed_dispute: "khiếu nại thành viên", "disputed";
    deed_reopen: "mở lại", "reopened";
    deed_close: "đóng ngày", "day closed";
    deed_settle: "quyết toán ngày", "day settled";
    live_lead: "Trạng thái của bộ chuyển mạch lúc này.", "How the switch does right now.";
    live_paused: "Tạm dừng cập nhật", "Pause updates";
    live_as_of: "Lúc", "As of";
    live_gone: "Không nhận được số liệu mới. Đang thử lại.", "No new figures. Trying again.";
    answers_a_second: "Trả lời mỗi giây", "Answers a second";
    refusals_a_second: "Từ chối mỗi giây", "Refusals a second";
    answers_chart: "Trả lời mỗi giây, năm phút qua", "Answers a second, the last five minutes";
    chart_most: "cao nhất", "most";
    in_flight: "Đang xử lý", "In flight";
    business_day: "Ngày kinh doanh", "Business day";
    terminals_up: "Kết nối máy ATM", "Terminals' connections";
    reversals_open: "Hoàn trả còn nợ", "Reversals owed";
    suspense_open: "Chờ người quyết định", "Waiting for a person";
    latency: "Thời gian theo chặng", "Latency by stage";
    latency_lead: "Nửa phút qua.", "The last half minute.";
    stage: "Chặng", "Stage";
    median: "Trung vị", "Median";
    p95: "95 %", "95 %";
    p99: "99 %", "99 %";
    stage_read: "Chờ tiếp nhận", "Waiting to be taken";
    stage_find: "Tra cứu", "Look-up";
    stage_verify: "Xác thực thẻ và công dân", "Chip and registry";
    stage_intent_sync: "Ghi ý định (INTENT)", "INTENT to the disk";
    stage_bank: "Ngân hàng", "Bank";
    stage_outcome_sync: "Ghi kết quả", "Outcome to the disk";
    stage_write: "Gửi trả lời", "Writing the answer";
    stage_total: "Toàn bộ", "Whole";
    banks: "Ngân hàng", "Banks";
    bank: "Ngân hàng", "Bank";
    bank_id: "Mã ngân hàng", "Bank's number";
    state: "Trạng thái", "State";
    ready: "Sẵn sàng", "Ready";
    away: "Mất kết nối", "Away";
    reversals_waiting: "Hoàn trả chờ", "Reversals waiting";
    reversals_resting: "Đang nghỉ", "Resting";
    oldest: "Lâu nhất", "Oldest";
    last_error: "Lỗi gần nhất", "Last error";
    alarms: "Cảnh báo", "Alarms";
    no_alarms: "Không có cảnh báo.", "No alarms.";
    alarm_disk_full: "Đĩa của nhật ký đã đầy: giao dịch mới bị từ chối (96).", "The log's disk is full: new requests are refused (96).";
    alarm_registry: "Cơ sở dữ liệu dân cư không trả lời: giao dịch mới nhận 91.", "The identity registry does not answer: new requests get 91.";
    alarm_lists: "Danh sách thu hồi chứng thư thiếu hoặc quá cũ: {}.", "Revocation lists missing or too old: {}.";
    alarm_bank_away: "{}: mất kết nối.", "{}: no connection.";
    alarm_reversals: "{}: có hoàn trả chờ lâu.", "{}: a reversal has waited long.";
    alarm_suspense: "Giao dịch chờ người quyết định: {}.", "Transactions waiting for a person: {}.";
    events_alarming: "Sự kiện bất thường, năm phút qua", "Unusual events, the last five minutes";
    event: "Sự kiện", "Event";
    count: "Số lần", "Count";
    codes: "Mã trả lời, năm phút qua", "Response codes, the last five minutes";
    code: "Mã", "Code";
    meaning: "Ý nghĩa", "Meaning";
    no_answers: "Chưa có giao dịch nào trong năm phút qua.", "No transaction in the last five minutes.";
    event_suspended: "Chuyển cho người quyết định", "Left to a person";
    event_other_content: "Khóa cũ, nội dung khác", "Known key, other content";
    event_signature_used_before: "Chữ ký chip dùng lại", "Chip's signature used again";
    event_forged: "Tin nhắn giả (MAC sai)", "Forged message (wrong MAC)";
    event_stray_answer: "Trả lời không có câu hỏi", "Answer without a question";
    event_other_echo: "Trả lời sai nội dung", "Answer echoes something else";
    event_late_approval: "Chấp thuận đến muộn", "Late approval";
    event_bank_says_otherwise: "Ngân hàng nói khác trước", "Bank says otherwise";
    event_reversal_refused: "Hoàn trả bị từ chối", "Reversal refused";
    event_reversal_silent: "Hoàn trả không được trả lời", "Reversal not answered";
    event_reversal_unsendable: "Hoàn trả không gửi được", "Reversal cannot be sent";
    event_cash_unexplained: "Tiền ra không giải thích được", "Cash that nothing explains";

    transactions_lead: "Tìm trong nhật ký bền vững, mới nhất trước.", "Search the durable log, newest first.";
    search: "Tìm", "Search";
    search_hint: "RRN, STAN, máy ATM hoặc khóa giao dịch", "RRN, STAN, terminal or transaction key";
    search_bad: "Không hiểu “{}”: RRN có 12 ký tự, máy ATM 8, STAN tối đa 6 chữ số.", "“{}” is not understood: an RRN has 12 characters, a terminal 8, a STAN up to 6 digits.";
    field_bad: "Không hiểu giá trị này; ô này bị bỏ qua.", "This value is not understood; the field is left out.";
    filters: "Bộ lọc", "Filters";
    clear_filters: "Xóa bộ lọc", "Clear filters";
    from: "Từ", "From";
    to: "Đến", "To";
    amount_from: "Số tiền từ", "Amount from";
    amount_to: "Số tiền đến", "Amount to";
    terminal: "Máy ATM", "Terminal";
    kind: "Loại", "Kind";
    kind_money: "Có tiền và tra cứu", "Money and inquiries";
    kind_all: "Tất cả, kể cả xác thực", "All, verifications too";
    kind_withdrawal: "Rút tiền", "Withdrawal";
    kind_deposit: "Nộp tiền", "Deposit";
    kind_balance: "Xem số dư", "Balance inquiry";
    kind_mini_statement: "Sao kê ngắn", "Mini statement";
    kind_transfer: "Chuyển khoản", "Transfer";
    kind_verification: "Xác thực", "Verification";
    any: "Bất kỳ", "Any";
    only_suspense: "Chỉ giao dịch chờ quyết định", "Only what waits for a person";
    find_citizen: "Tìm theo công dân", "Find by citizen";
    citizen_number: "Số định danh cá nhân", "Citizen number";
    find_citizen_lead: "Số không được lưu và không có trong địa chỉ trang; lần tìm được ghi vào nhật ký.", "The number is not kept and not in the page's address; that you have searched is recorded.";
    citizen_number_bad: "Đây không phải số định danh 12 chữ số.", "This is no citizen number of 12 digits.";
    citizen_filter: "Công dân (bí danh)", "Citizen (pseudonym)";
    time: "Thời gian", "Time";
    amount: "Số tiền", "Amount";
    card: "Thẻ", "Card";
    no_transactions: "Không có giao dịch nào khớp.", "No transaction matches.";
    no_transactions_hint: "Hãy nới thời gian hoặc bỏ bớt bộ lọc.", "Widen the time or take filters away.";
    log_empty: "Nhật ký chưa có giao dịch nào.", "The log has no transaction yet.";
    stopped: "Đã tìm ngược tới {}. Xem tiếp các giao dịch cũ hơn.", "Searched back to {}. Go on to older ones.";
    older: "Cũ hơn", "Older";
    newest: "Mới nhất", "Newest";
    export_csv: "Xuất CSV", "Export CSV";
    busy: "Đang có quá nhiều lượt tìm. Hãy thử lại sau vài giây.", "Too many searches are under way. Try again in a few seconds.";
    loading: "Đang tìm…", "Searching…";
    print: "In", "Print";

    state_verifying: "Đang xác thực", "Verifying";
    state_sent: "Đã hỏi ngân hàng", "Bank asked";
    state_approved: "Đã chấp thuận", "Approved";
    state_completed: "Hoàn tất", "Completed";
    state_declined: "Từ chối", "Declined";
    state_reversing: "Đang hoàn trả", "Reversing";
    state_reversed: "Đã hoàn trả", "Reversed";
    state_tombstone: "Không có bản gốc", "Without an original";
    state_verified: "Đã xác thực", "Verified";
    state_unknown: "Không rõ", "Unknown";
    suspense: "Chờ quyết định", "Waits for a person";
    suspense_age: "Đã chấp thuận lâu mà không có báo cáo của máy", "Approved long ago, and the terminal has said nothing";
    suspense_claim: "Máy hoặc ngân hàng nói điều không khớp", "A terminal or bank says what does not fit";

    what_happened: "Diễn biến", "What happened";
    facts: "Thông tin", "Facts";
    identity: "Xác minh danh tính", "Identity";
    messages: "Thông điệp (đã che)", "Messages (masked)";
    records: "Bản ghi", "Records";
    transaction_key: "Khóa giao dịch", "Transaction key";
    rrn: "RRN", "RRN";
    stan: "STAN", "STAN";
    acquirer: "Ngân hàng sở hữu máy", "Acquirer";
    account_at_bank: "Tài khoản", "Account";
    approval: "Mã chấp thuận", "Approval code";
    place: "Địa điểm", "Place";
    at_bank_as: "Tên ở ngân hàng", "Name at the bank";
    response_code: "Mã trả lời", "Response code";
    left_minor: "Tiền đã ra thật", "Cash that really left";
    resolution: "Quyết định", "Decision";
    passive: "Chữ ký trên chip", "Chip's signature data";
    active: "Chip thật, không sao chép", "Chip is genuine, no copy";
    biometric: "Khuôn mặt hoặc vân tay khớp", "Face or finger matched";
    registry_answer: "Trả lời có chữ ký của CSDL dân cư", "Registry's signed answer";
    bytes: "{} byte", "{} bytes";
    stood_in: "Chưa có: CSDL dân cư mất kết nối, chuyển mạch cho rút theo hạn mức và hỏi lại sau.", "None yet: the registry was away, the switch stood in for it within its limit, and asks again.";
    registry_agrees: "CSDL dân cư đồng ý", "The registry agrees";
    digest_sod: "SHA-256 của SOD", "SHA-256 of the SOD";
    digest_dg15: "SHA-256 của DG15", "SHA-256 of DG15";
    passed: "Đạt", "Passed";
    not_passed: "Không đạt", "Not passed";
    no_identity: "Giao dịch này không có xác minh riêng.", "This transaction has no identity check of its own.";
    verified_before: "Xác minh ở giao dịch trước, theo mã tham chiếu.", "Proved in an earlier transaction, by its reference.";
    terminal_to_switch: "máy → chuyển mạch", "terminal → switch";
    switch_to_bank: "chuyển mạch → ngân hàng", "switch → bank";
    bank_to_switch: "ngân hàng → chuyển mạch", "bank → switch";
    switch_to_terminal: "chuyển mạch → máy", "switch → terminal";
    as_recorded: "Như trong nhật ký (JSON)", "As recorded (JSON)";
    not_found: "Không tìm thấy trang hoặc giao dịch này.", "There is no such page or transaction.";
    not_found_hint: "Địa chỉ có thể đã cũ hoặc gõ sai.", "The address may be old or mistyped.";
    back_to_list: "Về danh sách", "Back to the list";
    see_number: "Xem số định danh đầy đủ", "See the full citizen number";
    see_number_lead: "Mỗi lần xem được ghi lại: ai, khi nào, từ đâu, vì sao.", "Each look is recorded: who, when, from where, why.";
    why: "Lý do", "Reason";
    why_bad: "Hãy ghi lý do, tối đa 200 ký tự.", "Give a reason of at most 200 characters.";
    show: "Xem", "Show";
    number_shown: "Số định danh đầy đủ. Lần xem này đã được ghi lại.", "The full citizen number. This look is recorded.";
    looks_over: "Bạn đã xem quá nhiều số trong một giờ. Lần này bị từ chối và đã được ghi lại.", "You have seen too many numbers within an hour. This look is refused, and that is recorded.";
    searches_over: "Bạn đã tìm quá nhiều công dân trong một giờ. Lần này bị từ chối và đã được ghi lại.", "You have searched for too many citizens within an hour. This search is refused, and that is recorded.";
    resolve: "Ghi quyết định", "Record a decision";
    resolve_lead: "Quyết định được ghi vào nhật ký giao dịch và xóa cờ chờ; không chuyển tiền.", "The decision goes into the transaction log and ends the wait; it moves no money.";
    resolved: "Đã ghi quyết định.", "The decision is recorded.";

    rec_intent: "Sắp hỏi ngân hàng", "About to ask the bank";
    rec_outcome: "Ngân hàng chấp thuận", "The bank approved";
    rec_declined: "Kết thúc, không trừ tiền", "Ended without a debit";
    rec_reversal: "Nợ ngân hàng một hoàn trả", "A reversal is owed to the bank";
    rec_reversed: "Ngân hàng xác nhận hoàn trả", "The bank acknowledged the reversal";
    rec_complete: "Tiền đã ra như chấp thuận", "Cash has left as approved";
    rec_claim: "Có điều không khớp", "Something does not fit";
    rec_note: "Ghi nhận", "Noted";
    rec_tombstone: "Báo cáo đến trước bản gốc", "An advice came before its original";
    rec_verification: "Đã xác thực công dân", "The citizen's identity was proved";
    rec_cutover: "Chuyển ngày", "Cutover";
    rec_block: "Khóa hoặc mở khóa", "Block set or lifted";
    rec_resolution: "Người đã quyết định", "A person has decided";
    rec_asked_again: "Hỏi lại CSDL dân cư", "The registry was asked again";

    people_lead: "Ai được đăng nhập và với vai trò nào. Thêm người và đặt mật khẩu bằng dòng lệnh.", "Who may log in, and with which roles. People are added and given passwords on the command line.";
    full_name: "Họ tên", "Full name";
    roles: "Vai trò", "Roles";
    role_clerk: "Nhân viên", "Clerk";
    role_checker: "Kiểm soát", "Checker";
    role_operator: "Vận hành", "Operator";
    role_auditor: "Kiểm toán", "Auditor";
    sessions_open: "Phiên đang mở", "Open sessions";
    active_person: "Được vào", "May log in";
    disabled_person: "Bị chặn", "Shut out";
    disable: "Chặn", "Shut out";
    enable: "Cho vào lại", "Let in again";
    disabled_done: "{} bị chặn và đã bị đăng xuất.", "{} is shut out and logged out.";
    enabled_done: "{} được vào lại.", "{} may log in again.";
    not_oneself: "Không ai tự chặn mình.", "Nobody shuts themselves out.";
    no_people: "Chưa có ai.", "There is nobody.";
    change_password: "Đổi mật khẩu", "Change password";
    old_password: "Mật khẩu hiện tại", "Present password";
    new_password: "Mật khẩu mới", "New password";
    new_password_again: "Mật khẩu mới, lần nữa", "New password, again";
    new_password_hint: "Ít nhất 12 ký tự; không chứa tên của bạn.", "At least 12 characters; your name is not in it.";
    passwords_differ: "Hai lần gõ không giống nhau.", "The two are not the same.";
    password_bad: "Mật khẩu này không được nhận: ít nhất 12 ký tự, không dễ đoán.", "This password is not taken: at least 12 characters, and not easily guessed.";
    password_changed: "Đã đổi mật khẩu. Các phiên khác đã kết thúc.", "The password is changed. Your other sessions have ended.";

    audit_lead: "Mỗi việc của mỗi người, nối chuỗi với dòng trước.", "Every act of every person, each line chained to the one before.";
    audit_good: "Chuỗi nguyên vẹn: {} dòng.", "The chain is whole: {} lines.";
    audit_bad: "Chuỗi bị hỏng. {}", "The chain is broken. {}";
    who: "Ai", "Who";
    act: "Việc", "Act";
    on: "Về", "On";
    from_where: "Từ đâu", "From where";
    before: "Trước", "Before";
    after: "Sau", "After";
    no_audit: "Không có dòng nào khớp.", "No line matches.";

    refused_title: "Bạn không có quyền làm việc này", "You may not do this";
    refused_lead: "Việc này cần một trong các vai trò: {}. Lần từ chối này đã được ghi lại.", "This needs one of the roles: {}. That you were refused is recorded.";
    refused_form: "Yêu cầu này không đến từ trang của bạn, nên bị từ chối. Hãy tải lại trang rồi thử lại.", "This request did not come from your page, so it is refused. Load the page again and retry.";
    error_title: "Không làm được", "This did not work";
    error_lead: "Chuyển mạch hoặc nhật ký không trả lời được lúc này.", "The switch or its log cannot answer right now.";
    error_hint: "Hãy thử lại; nếu vẫn lỗi, báo cho vận hành cùng dòng dưới đây.", "Try again; if it stays so, tell the operators the line below.";
    too_large: "Yêu cầu quá lớn.", "The request is too large.";
    too_slow: "Yêu cầu đến quá chậm, nên bị bỏ. Hãy thử lại.", "The request took too long to come, and is dropped. Try again.";

    el_2: "Số thẻ", "Primary account number";
    el_3: "Mã xử lý", "Processing code";
    el_4: "Số tiền", "Amount";
    el_7: "Thời điểm gửi", "Transmission date and time";
    el_11: "STAN", "STAN";
    el_12: "Giờ tại máy", "Local time";
    el_13: "Ngày tại máy", "Local date";
    el_15: "Ngày quyết toán", "Settlement date";
    el_18: "Loại hình điểm giao dịch", "Merchant type";
    el_22: "Cách nhập", "Entry mode";
    el_25: "Điều kiện", "Condition code";
    el_32: "Ngân hàng sở hữu máy", "Acquiring institution";
    el_37: "RRN", "RRN";
    el_38: "Mã chấp thuận", "Approval code";
    el_39: "Mã trả lời", "Response code";
    el_41: "Máy ATM", "Terminal";
    el_42: "Mã điểm giao dịch", "Card acceptor";
    el_43: "Địa điểm", "Card acceptor's place";
    el_49: "Loại tiền", "Currency";
    el_54: "Số dư (ẩn)", "Balances (hidden)";
    el_62: "Sao kê (ẩn)", "Mini statement (hidden)";
    el_90: "Bản gốc", "Original";
    el_95: "Tiền đã ra thật", "Cash that really left";
    el_100: "Ngân hàng nhận", "Receiving institution";
    el_102: "Tài khoản nguồn", "From account";
    el_103: "Tài khoản đích", "To account";
    el_other: "Phần tử khác", "Other element";

    code_00: "Chấp thuận", "Approved";
    code_17: "Khách hủy", "Cancelled by the customer";
    code_22: "Máy bị lỗi", "Machine's fault";
    code_32: "Chỉ ra một phần", "A part came out";
    code_12: "Giao dịch không được hỗ trợ", "Transaction not supported";
    code_13: "Số tiền không hợp lệ", "Amount not valid";
    code_14: "Số thẻ không hợp lệ", "Card number not valid";
    code_25: "Ngân hàng không biết bản gốc", "Original unknown at the bank";
    code_30: "Sai định dạng", "Format error";
    code_40: "Chức năng không được hỗ trợ", "Function not supported";
    code_41: "Thẻ mất, bị thu hồi hoặc đã thay", "Card lost, revoked or replaced";
    code_51: "Không đủ tiền", "Not enough funds";
    code_54: "Thẻ hết hạn", "Card expired";
    code_55: "Sai PIN", "Wrong PIN";
    code_56: "Không có ngân hàng liên kết", "No bank linked";
    code_57: "Không được phép", "Not permitted";
    code_61: "Vượt hạn mức số tiền", "Over a limit on amounts";
    code_62: "Công dân hoặc thẻ bị hạn chế", "Citizen or card restricted";
    code_63: "Xác minh không đạt", "Proof refused";
    code_65: "Vượt số lần", "Over a limit on times";
    code_68: "Muộn", "Late";
    code_75: "Sai PIN quá nhiều lần", "PIN wrong too often";
    code_88: "Khối PIN không đọc được", "PIN block unreadable";
    code_91: "Ngân hàng hoặc CSDL không sẵn sàng", "Bank or registry not available";
    code_94: "Trùng khóa, nội dung khác", "Known key, other content";
    code_96: "Chuyển mạch không thể tiếp tục an toàn", "The switch cannot go on safely";
    code_other: "Mã của ngân hàng", "The bank's own code";
}

/// What the audit calls an act, and the same in Vietnamese. The file has one language, so that it can be searched and checked.
const ACTS: &[(&str, &str)] = &[
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

    pub(crate) fn is_vietnamese(&self) -> bool {
        self.language == Language::Vietnamese
    }

    /// What a response code means (docs/interface.md#response-codes).
    pub(crate) fn code(&self, code: &str) -> &'static str {
        match code {
            "00" => self.code_00,
            "12" => self.code_12,
            "17" => self.code_17,
            "22" => self.code_22,
            "32" => self.code_32,
            "13" => self.code_13,
            "14" => self.code_14,
            "25" => self.code_25,
            "30" => self.code_30,
            "40" => self.code_40,
            "41" => self.code_41,
            "51" => self.code_51,
            "54" => self.code_54,
            "55" => self.code_55,
            "56" => self.code_56,
            "57" => self.code_57,
            "61" => self.code_61,
            "62" => self.code_62,
            "63" => self.code_63,
            "65" => self.code_65,
            "68" => self.code_68,
            "75" => self.code_75,
            "88" => self.code_88,
            "91" => self.code_91,
            "94" => self.code_94,
            "96" => self.code_96,
            _ => self.code_other,
        }
    }

    /// A kind of exception, and what it means.
    fn exception_texts(&self, kind: reconciliation::Kind) -> (&'static str, &'static str) {
        use reconciliation::Kind;
        match kind {
            Kind::MissingAtBank => (self.ex_missing_at_bank, self.ex_missing_at_bank_says),
            Kind::MissingAtSwitch => (self.ex_missing_at_switch, self.ex_missing_at_switch_says),
            Kind::MissingInJournal => (self.ex_missing_in_journal, self.ex_missing_in_journal_says),
            Kind::Duplicate => (self.ex_duplicate, self.ex_duplicate_says),
            Kind::AmountOver => (self.ex_amount_over, self.ex_amount_over_says),
            Kind::AmountUnder => (self.ex_amount_under, self.ex_amount_under_says),
            Kind::Currency => (self.ex_currency, self.ex_currency_says),
            Kind::DataMismatch => (self.ex_data_mismatch, self.ex_data_mismatch_says),
            Kind::DebitedNotDispensed => (self.ex_debited_not_dispensed, self.ex_debited_not_dispensed_says),
            Kind::PartDispensed => (self.ex_part_dispensed, self.ex_part_dispensed_says),
            Kind::DispensedNotDebited => (self.ex_dispensed_not_debited, self.ex_dispensed_not_debited_says),
            Kind::Retracted => (self.ex_retracted, self.ex_retracted_says),
            Kind::CashOver => (self.ex_cash_over, self.ex_cash_over_says),
            Kind::CashShort => (self.ex_cash_short, self.ex_cash_short_says),
            Kind::OtherDay => (self.ex_other_day, self.ex_other_day_says),
            Kind::LateReversal => (self.ex_late_reversal, self.ex_late_reversal_says),
            Kind::Suspense => (self.ex_suspense, self.ex_suspense_says),
            Kind::TotalsOutOfBalance => (self.ex_totals_out_of_balance, self.ex_totals_out_of_balance_says),
            Kind::TotalsMissing => (self.ex_totals_missing, self.ex_totals_missing_says),
            Kind::UnreadableLine => (self.ex_unreadable_line, self.ex_unreadable_line_says),
            Kind::ControlTotalWrong => (self.ex_control_total_wrong, self.ex_control_total_wrong_says),
            Kind::DuplicateFile => (self.ex_duplicate_file, self.ex_duplicate_file_says),
        }
    }

    pub(crate) fn exception(&self, kind: reconciliation::Kind) -> &'static str {
        self.exception_texts(kind).0
    }

    pub(crate) fn exception_says(&self, kind: reconciliation::Kind) -> &'static str {
        self.exception_texts(kind).1
    }

    /// How a line and a transaction were brought together.
    pub(crate) fn rule(&self, rule: reconciliation::Rule) -> &'static str {
        use reconciliation::Rule;
        match rule {
            Rule::Reference => self.rule_reference,
            Rule::ReferenceOneToMany => self.rule_reference_one_to_many,
            Rule::Stan => self.rule_stan,
            Rule::AmountAndTime => self.rule_amount_and_time,
            Rule::Sequence => self.rule_sequence,
            Rule::ManyToOne => self.rule_many_to_one,
            Rule::ByHand => self.rule_by_hand,
        }
    }

    /// What somebody has done on files, days and cases, by its name in the acts.
    pub(crate) fn deed(&self, name: &str) -> &'static str {
        match name {
            "take" => self.deed_take,
            "refuse" => self.deed_refuse,
            "keep layout" => self.deed_keep_layout,
            "claim" => self.deed_claim,
            "assign" => self.deed_assign,
            "note" => self.deed_note,
            "match" => self.deed_match,
            "part" => self.deed_part,
            "propose" => self.deed_propose,
            "approve" => self.deed_approve,
            "reject" => self.deed_reject,
            "dispute" => self.deed_dispute,
            "reopen" => self.deed_reopen,
            "close" => self.deed_close,
            _ => self.deed_settle,
        }
    }

    /// An element of 0500 and 0520, by its number.
    pub(crate) fn total_element(&self, number: u8) -> &'static str {
        match number {
            74 => self.to_74,
            75 => self.to_75,
            76 => self.to_76,
            77 => self.to_77,
            78 => self.to_78,
            79 => self.to_79,
            80 => self.to_80,
            81 => self.to_81,
            82 => self.to_82,
            83 => self.to_83,
            84 => self.to_84,
            85 => self.to_85,
            86 => self.to_86,
            87 => self.to_87,
            88 => self.to_88,
            89 => self.to_89,
            _ => self.to_97,
        }
    }

    /// An element of ISO 8583, by its number.
    pub(crate) fn element(&self, number: u8) -> &'static str {
        match number {
            2 => self.el_2,
            3 => self.el_3,
            4 => self.el_4,
            7 => self.el_7,
            11 => self.el_11,
            12 => self.el_12,
            13 => self.el_13,
            15 => self.el_15,
            18 => self.el_18,
            22 => self.el_22,
            25 => self.el_25,
            32 => self.el_32,
            37 => self.el_37,
            38 => self.el_38,
            39 => self.el_39,
            41 => self.el_41,
            42 => self.el_42,
            43 => self.el_43,
            49 => self.el_49,
            54 => self.el_54,
            62 => self.el_62,
            90 => self.el_90,
            95 => self.el_95,
            100 => self.el_100,
            102 => self.el_102,
            103 => self.el_103,
            _ => self.el_other,
        }
    }

    pub(crate) fn kind(&self, kind: processor::Kind) -> &'static str {
        use processor::Kind;
        match kind {
            Kind::Withdrawal => self.kind_withdrawal,
            Kind::Deposit => self.kind_deposit,
            Kind::Balance => self.kind_balance,
            Kind::MiniStatement => self.kind_mini_statement,
            Kind::Transfer => self.kind_transfer,
            Kind::Verification => self.kind_verification,
        }
    }

    pub(crate) fn state(&self, state: processor::State) -> &'static str {
        use processor::State;
        match state {
            State::Unknown => self.state_unknown,
            State::Verifying => self.state_verifying,
            State::IntentSyncing | State::Sent => self.state_sent,
            State::OutcomeSyncing | State::Approved => self.state_approved,
            State::Completed => self.state_completed,
            State::Declined => self.state_declined,
            State::Reversing => self.state_reversing,
            State::Reversed => self.state_reversed,
            State::Tombstone => self.state_tombstone,
            State::Verified => self.state_verified,
        }
    }

    pub(crate) fn role(&self, role: crate::role::Role) -> &'static str {
        use crate::role::Role;
        match role {
            Role::Clerk => self.role_clerk,
            Role::Checker => self.role_checker,
            Role::Operator => self.role_operator,
            Role::Auditor => self.role_auditor,
        }
    }

    pub(crate) fn stage(&self, stage: &str) -> &'static str {
        match stage {
            "read" => self.stage_read,
            "find" => self.stage_find,
            "verify" => self.stage_verify,
            "intent_sync" => self.stage_intent_sync,
            "bank" => self.stage_bank,
            "outcome_sync" => self.stage_outcome_sync,
            "write" => self.stage_write,
            _ => self.stage_total,
        }
    }

    /// An event that is an alarm, one of [`crate::live::ALARMING_EVENTS`].
    pub(crate) fn event(&self, event: &str) -> &'static str {
        match event {
            "suspended" => self.event_suspended,
            "other_content" => self.event_other_content,
            "signature_used_before" => self.event_signature_used_before,
            "forged" => self.event_forged,
            "stray_answer" => self.event_stray_answer,
            "other_echo" => self.event_other_echo,
            "late_approval" => self.event_late_approval,
            "bank_says_otherwise" => self.event_bank_says_otherwise,
            "reversal_refused" => self.event_reversal_refused,
            "reversal_silent" => self.event_reversal_silent,
            "reversal_unsendable" => self.event_reversal_unsendable,
            _ => self.event_cash_unexplained,
        }
    }

    /// A kind of record, by its name in the log.
    pub(crate) fn record(&self, name: &str) -> &'static str {
        match name {
            "INTENT" => self.rec_intent,
            "OUTCOME" => self.rec_outcome,
            "DECLINED" => self.rec_declined,
            "REVERSAL" => self.rec_reversal,
            "REVERSED" => self.rec_reversed,
            "COMPLETE" => self.rec_complete,
            "CLAIM" => self.rec_claim,
            "NOTE" => self.rec_note,
            "TOMBSTONE" => self.rec_tombstone,
            "VERIFICATION" => self.rec_verification,
            "CUTOVER" => self.rec_cutover,
            "BLOCK" => self.rec_block,
            "ASKED-AGAIN" => self.rec_asked_again,
            _ => self.rec_resolution,
        }
    }
}

/// Why a line of a file is not taken, as the crate `exchange` says it, and the same in Vietnamese; a value stands for `{}`.
const REASONS: &[(&str, &str)] = &[
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

/// Puts a value into a text that has a place for one.
pub(crate) fn with(text: &str, value: impl std::fmt::Display) -> String {
    text.replacen("{}", &value.to_string(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that both languages have.
    const SAME: [&str; 7] = ["product", "p95", "p99", "rrn", "stan", "el_11", "el_37"];

    #[test]
    fn both_languages_are_complete_and_neither_stands_in_for_the_other() {
        for (name, vietnamese, english) in ALL {
            assert!(!vietnamese.trim().is_empty() && !english.trim().is_empty(), "{name}");
            assert!(vietnamese != english || SAME.contains(name), "{name} is the same in both: {english}");
            assert_eq!(vietnamese.matches("{}").count(), english.matches("{}").count(), "{name}");
            assert!(
                english
                    .chars()
                    .all(|it| !"ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ".contains(it))
                    || *name == "other_language",
                "{name} is not English: {english}"
            );
        }
    }

    #[test]
    fn every_act_that_is_recorded_has_words_in_vietnamese() {
        let sources = [
            include_str!("people.rs"),
            include_str!("guard.rs"),
            include_str!("app.rs"),
            include_str!("pages/mod.rs"),
            include_str!("pages/cases.rs"),
            include_str!("pages/days.rs"),
            include_str!("pages/log_in.rs"),
            include_str!("pages/evidence.rs"),
            include_str!("pages/transactions.rs"),
        ];
        for (act, vietnamese) in ACTS {
            let quoted = format!("\"{act}\"");
            assert!(sources.iter().any(|source| source.contains(&quoted)), "nobody records {act}");
            assert_eq!(VIETNAMESE.act(act), *vietnamese);
            assert_eq!(ENGLISH.act(act), *act);
        }
    }

    #[test]
    fn reasons_of_a_file_that_is_wrong_are_told_in_both_languages() {
        for (reason, vietnamese) in [
            ("it is not an amount", "không phải số tiền"),
            ("it is not a date written as dd/mm/yyyy", "không phải ngày viết theo dd/mm/yyyy"),
            (
                "the same file was taken for 2026-05-04, part 1",
                "tệp này đã được nhận cho ngày 2026-05-04, phần 1",
            ),
            ("something that nobody knows", "something that nobody knows"),
        ] {
            assert_eq!(VIETNAMESE.reject_reason(reason), vietnamese);
            assert_eq!(ENGLISH.reject_reason(reason), reason);
        }
        let sources = [
            include_str!("../../exchange/src/values.rs"),
            include_str!("../../exchange/src/postings.rs"),
            include_str!("../../exchange/src/rows.rs"),
            include_str!("../../exchange/src/journal.rs"),
            include_str!("../../exchange/src/intake.rs"),
            include_str!("../../exchange/src/totals.rs"),
            include_str!("../../casework/src/desk.rs"),
        ];
        for (english, vietnamese) in REASONS {
            assert_eq!(english.matches("{}").count(), vietnamese.matches("{}").count(), "{english}");
            let front = english.split("{}").next().unwrap_or(english);
            assert!(sources.iter().any(|source| source.contains(front)), "nobody says {english}");
        }
    }

    #[test]
    fn every_code_state_kind_and_event_has_words() {
        for texts in [&VIETNAMESE, &ENGLISH] {
            let states: std::collections::BTreeSet<&str> =
                processor::State::ALL.into_iter().map(|state| texts.state(state)).collect();
            assert_eq!(states.len(), processor::State::ALL.len() - 2, "two states wait for the disk alone");
            let events: std::collections::BTreeSet<&str> =
                crate::live::ALARMING_EVENTS.iter().map(|event| texts.event(event)).collect();
            assert_eq!(events.len(), crate::live::ALARMING_EVENTS.len());
            for code in processor::Code::FROM_BANKS {
                assert_ne!(texts.code(&code.to_string()), texts.code_other, "{code}");
            }
        }
    }
}
