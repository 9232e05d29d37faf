//! Claims about replies whose bytes are not UTF-8, from the wire to their meaning.

use encoding_rs::Encoding;

use crate::smtp::wire::ReplyReader;
use crate::smtp::{Classifier, Meaning, ReplyLimits, ReplyView, Stage};

#[test]
fn raw_bytes_of_many_charsets_are_read_as_what_they_are() {
    for (label, text, meaning) in [
        ("iso-8859-1", "Empfänger existiert nicht", Meaning::MailboxNotFound),
        ("iso-8859-1", "Boîte aux lettres pleine", Meaning::MailboxFull),
        ("iso-8859-1", "Usuário não existe", Meaning::MailboxNotFound),
        ("iso-8859-2", "Příjemce neexistuje", Meaning::MailboxNotFound),
        ("windows-1254", "Böyle bir kullanıcı bulunamadı", Meaning::MailboxNotFound),
        ("koi8-r", "Пользователь не найден", Meaning::MailboxNotFound),
        ("windows-1251", "Почтовый ящик переполнен", Meaning::MailboxFull),
        ("gbk", "收件人不存在", Meaning::MailboxNotFound),
        ("gbk", "您的IP地址已被列入黑名单", Meaning::SenderBlocked),
        ("big5", "使用者不存在", Meaning::MailboxNotFound),
        ("shift_jis", "受信者は存在しません", Meaning::MailboxNotFound),
        ("euc-jp", "ユーザーが見つかりません", Meaning::MailboxNotFound),
        ("iso-2022-jp", "受信者は存在しません", Meaning::MailboxNotFound),
        ("euc-kr", "사용자가 존재하지 않습니다", Meaning::MailboxNotFound),
    ] {
        let charset = Encoding::for_label(label.as_bytes()).expect("a charset");
        let line = [b"550 ", &*charset.encode(text).0, b"\r\n"].concat();
        let mut reader = ReplyReader::new(ReplyLimits::default());
        reader.space()[..line.len()].copy_from_slice(&line);
        reader.filled(line.len());
        let reply = reader.next_reply().expect("a reply").expect("a whole one");
        let read = reply.text();
        let view = ReplyView { code: Some(reply.code), ..ReplyView::from_text(&read) };
        let found = Classifier::builtin().explain(&view.at(Stage::Rcpt));
        assert_eq!(found.meaning, meaning, "{label}: {text}: {read}");
    }
}
