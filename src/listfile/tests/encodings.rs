//! Encodings of the wild, found, read and written back.

use std::io::Write as _;

use encoding_rs::Encoding;
use flate2::write::GzEncoder;

use super::*;

const FILE: &str = "name,email\r\nJörg,jörg@acme.test\r\nZoë,zoe@acme.test\r\n";
const WRITTEN: &str =
    "name,email,verdict,code\r\nJörg,jörg@acme.test,risky,250\r\nZoë,zoe@acme.test,risky,250\r\n";

fn encoded(text: &str, label: &str) -> Vec<u8> {
    let units = || text.encode_utf16();
    match label {
        "utf-16le" => units().flat_map(u16::to_le_bytes).collect(),
        "utf-16be" => units().flat_map(u16::to_be_bytes).collect(),
        _ => {
            let (bytes, _, unmappable) =
                Encoding::for_label(label.as_bytes()).unwrap().encode(text);
            assert!(!unmappable, "{label} cannot hold the test");
            bytes.into_owned()
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn named(bytes: &[u8], label: &str) -> Result<Vec<u8>, ListFileError> {
    let options = ReaderOptions { encoding: Some(label.to_owned()), ..ReaderOptions::default() };
    Reader::open(bytes, &options)?;
    Ok(rewrite(bytes, Output::Same, &COLUMNS, &["risky", "250"], &options))
}

#[test]
fn unicode_is_known_with_and_without_a_byte_order_mark() {
    for label in ["utf-8", "utf-16le", "utf-16be"] {
        for mark in ["", "\u{feff}"] {
            let file = encoded(&format!("{mark}{FILE}"), label);
            let reader = open(&file);
            let encoding = reader.layout().encoding;
            assert_eq!(encoding.name().to_lowercase(), label);
            assert_eq!(encoding.byte_order_mark, !mark.is_empty());
            assert_eq!(reader.layout().columns, ["name", "email"]);
            assert_eq!(addresses(&file), ["jörg@acme.test", "zoe@acme.test"]);
            assert_eq!(written(&file), encoded(&format!("{mark}{WRITTEN}"), label));
        }
    }
}

#[test]
fn legacy_encodings_are_guessed_and_written_back_byte_for_byte() {
    let more = "Müller-Lüdenscheidt, Größe, Straße";
    for (label, text) in [
        ("windows-1252", more),
        ("windows-1251", "Юлия Петрова, Москва, улица"),
        ("shift_jis", "山田太郎、東京都、メールアドレス"),
        ("gbk", "王小明，北京市朝阳区，电子邮件地址"),
        ("euc-kr", "김철수 서울특별시 이메일 주소"),
    ] {
        let file = format!("email;note\r\na@acme.test;{text}\r\nb@acme.test;{text}\r\n");
        let bytes = encoded(&file, label);
        let layout = open(&bytes).layout().clone();
        assert_eq!(layout.encoding.name().to_lowercase(), label);
        assert_eq!(layout.encoding.basis, EncodingBasis::Guessed);
        assert!(layout.to_string().contains("a guess: --encoding"), "{layout}");
        let page = Remedies { encoding: "ask a colleague", columns: "is read never" };
        assert!(layout.describe(&page).contains("(a guess: ask a colleague); "), "{layout}");
        let wanted = file
            .replace("note", "note;verdict;code")
            .replace(&format!("{text}\r\n"), &format!("{text};risky;250\r\n"));
        assert_eq!(written(&bytes), encoded(&wanted, label), "{label}");
    }
}

#[test]
fn the_caller_can_name_the_encoding() {
    let file = "имя,email\nЮ,a@acme.test\n";
    let wanted = "имя,email,verdict,code\nЮ,a@acme.test,risky,250\n";
    for label in ["koi8-r", "windows-1251", "iso-8859-5"] {
        let bytes = encoded(file, label);
        assert_eq!(named(&bytes, label).unwrap(), encoded(wanted, label));
    }
    let error = named(b"a@acme.test\n", "klingon").unwrap_err().to_string();
    assert!(error.contains("\"klingon\"") && error.contains("windows-1252"), "{error}");
    assert!(named(b"a@acme.test\n", "iso-2022-jp").is_err(), "its ASCII is not ASCII");
}

#[test]
fn a_legacy_row_late_in_a_utf8_file_is_kept_and_read_and_reported() {
    let mut file = b"email,name\n".to_vec();
    for n in 0..20_000 {
        file.extend(format!("user{n}@acme.test,Zoë\n").bytes());
    }
    assert!(file.len() > SNIFF, "the odd row must come after what is looked at");
    file.extend(b"j\xf6rg@acme.test,J\xf6rg\nlast@acme.test,x\n");
    let all = rows(&file);
    assert_eq!(all[20_000].address(), Some("jörg@acme.test"));
    assert_eq!(all[20_001].address(), Some("last@acme.test"));
    let odd = findings(&file).odd_text;
    assert_eq!((odd.count, odd.first_row, odd.first_line), (1, 20_001, 20_002));
    assert!(findings(&file).notes(&Remedies::OPTIONS)[0].contains("--encoding"));
    let page = Remedies { encoding: "ask a colleague", columns: "is read never" };
    assert!(findings(&file).notes(&page)[0].contains("; ask a colleague ("));
    assert!(
        written(&file)
            .ends_with(b"j\xf6rg@acme.test,J\xf6rg,risky,250\nlast@acme.test,x,risky,250\n")
    );
}

#[test]
fn a_few_legacy_rows_early_in_a_utf8_file_do_not_change_its_encoding() {
    let mut file = "email,name\n".to_owned();
    for n in 0..50 {
        file += &format!("user{n}@acme.test,Zoë\n");
    }
    let mut file = file.into_bytes();
    file.extend(b"j@acme.test,J\xf6rg\n");
    assert_eq!(open(&file).layout().encoding.name(), "UTF-8");
}

#[test]
fn broken_utf16_is_an_error_that_names_row_and_remedy() {
    let mut file = encoded("\u{feff}email\na@acme.test\nb@acme.test\n", "utf-16le");
    file.extend([0x00, 0xd8, b'x', 0]);
    let mut reader = open(&file);
    let first: Vec<_> = reader.by_ref().take(2).map(|row| row.unwrap()).collect();
    assert_eq!(first[1].address(), Some("b@acme.test"));
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("line 4 (row 3)") && error.contains("--encoding"), "{error}");
    assert!(reader.next().is_none(), "nothing comes after an error");
}

#[test]
fn gzip_is_unpacked_with_all_its_members() {
    let mut packed = gzip(b"email,n\na@acme.test,1\n");
    packed.extend(gzip(b"b@acme.test,2\n"));
    let reader = open(&packed);
    assert!(reader.layout().gzip && reader.layout().to_string().contains("gzip"));
    assert_eq!(addresses(&packed), ["a@acme.test", "b@acme.test"]);
    assert_eq!(
        text(written(&packed)),
        "email,n,verdict,code\na@acme.test,1,risky,250\nb@acme.test,2,risky,250\n"
    );
}

#[test]
fn gzip_that_is_cut_off_says_after_which_row() {
    let mut noise = 7_u32;
    let rows = (0..60_000).map(|n| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("u{n}x{noise}@acme.test\n")
    });
    let packed = gzip(rows.collect::<String>().as_bytes());
    let mut reader = open(&packed[..packed.len() - 1000]);
    let mut count = 0;
    let error = loop {
        match reader.next().expect("an error before the end") {
            Ok(_) => count += 1,
            Err(error) => break error.to_string(),
        }
    };
    assert!(count > 10_000 && error.contains(&format!("after row {count} ")), "{count}: {error}");
    assert!(refusal(&packed[..40]).contains("gzip data is damaged"));
}
