use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use crate::api::{Answered, Api, Asked};
use crate::run::{Platform, told};

fn bytes(body: impl Into<Vec<u8>>) -> Answered {
    Answered { status: 200, headers: Vec::new(), body: body.into() }
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

async fn ids(table: &str, answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static) -> Vec<u64> {
    let api = Api::serve(answer).await;
    let text = format!("name: x\nbase_url: '{{url}}'\ntables:\n  items: {table}\n");
    let mut platform = Platform::new(&text, &api);
    platform.sync().await.expect("a sync");
    platform.ids("items")
}

#[tokio::test]
async fn tables_of_text_and_lines_of_json_packed_or_not() {
    let csv = "{primary_key: id, format: csv}";
    assert_eq!(ids(csv, |_| bytes("id,name\n1,a\n2,b\n")).await, [1, 2]);
    assert_eq!(ids(csv, |_| bytes(gzip(b"id\n1\n"))).await, [1]);
    let packed = |_: &Asked| bytes(zstd::encode_all(&b"id\n7\n"[..], 0).expect("memory"));
    assert_eq!(ids(csv, packed).await, [7]);
    let zip = |_: &Asked| {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file("export/items.csv", options).expect("memory");
        archive.write_all(b"id\n3\n4\n").expect("memory");
        bytes(archive.finish().expect("memory").into_inner())
    };
    assert_eq!(ids(csv, zip).await, [3, 4]);
    let lines = "{primary_key: id, format: json_lines}";
    assert_eq!(ids(lines, |_| bytes("{\"id\":1}\n\n{\"id\":2}{\"id\":3}")).await, [1, 2, 3]);
}

/// A SOAP service: the request is XML, the rows are elements, and one row is a row too.
#[tokio::test]
async fn xml_by_post_pages_by_an_element() {
    let answer = |asked: &Asked| {
        let sent = asked.body.as_str().expect("text");
        assert!(sent.contains("<region>e&amp;u</region>"), "{sent}");
        assert_eq!(asked.headers["content-type"], "text/xml");
        let (rows, next) = match asked.query.get("after").map(String::as_str) {
            None => (
                "<o:order id='1'><total>19.90</total></o:order><o:order id='2'/>",
                "<next>2</next>",
            ),
            Some("2") => ("<o:order id='3'/>", "<next>3</next>"),
            Some(_) => ("", ""),
        };
        bytes(format!(
            "<?xml version='1.0'?><s:Envelope xmlns:s='s' xmlns:o='o'><s:Body><orders>{rows}</orders>{next}</s:Body></s:Envelope>"
        ))
    };
    let api = Api::serve(answer).await;
    let text = r#"
name: soap
base_url: "{url}"
config: {region: "e&amp;u"}
tables:
  orders:
    path: /soap
    headers: {Content-Type: text/xml}
    text: "<list><region>{{ config.region }}</region></list>"
    format: xml
    records: Envelope.Body.orders.order
    rename: {"@id": id}
    primary_key: id
    pagination: {cursor: {from: body.Envelope.Body.next, to: query.after}}
"#;
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    let rows = &platform.tables["orders"];
    assert_eq!(rows.len(), 3);
    assert_eq!(rows["\"1\""], json!({"id": "1", "total": "19.90"}));
}

/// The sync fails, and this is why.
async fn check_fails(table: &str, body: Vec<u8>, expected: &str) {
    let api = Api::serve(move |_| bytes(body.clone())).await;
    let text = format!(
        "name: x\nbase_url: '{{url}}'\nrequests: {{body_bytes: 1 MB}}\ntables:\n  items: {table}\n"
    );
    let mut platform = Platform::new(&text, &api);
    let error = told(&platform.sync().await.expect_err("an error")).replace(&api.url, "URL");
    assert_eq!(error, format!("invalid_page: table items: an answer of URL/items: {expected}"));
}

#[tokio::test]
async fn bombs_and_broken_bodies_end_in_errors_that_name_the_place() {
    let bomb = gzip(format!("[\"{}\"]", "0".repeat(4_000_000)).as_bytes());
    assert!(bomb.len() < 50_000);
    let paged = "{pagination: {page: {to: query.page}}}";
    let whole = "the gzip unpacks to more than 1000000 bytes (`requests.body_bytes`)";
    check_fails(paged, bomb.clone(), whole).await;
    check_fails("{}", bomb, "a row is larger than 1000000 bytes (`requests.body_bytes`)").await;
    let csv = "{format: csv}";
    check_fails(csv, b"a,b\n1\n".to_vec(), "line 2: a row has 1 fields, and there are 2 columns")
        .await;
    check_fails("{format: json_lines}", b"{\"a\":1}\n[2]\n".to_vec(), "line 2: expected an object")
        .await;
    check_fails(
        "{format: xml, records: a.b}",
        b"<a><b></a>".to_vec(),
        "byte 6: ill-formed document: expected `</b>`, but `</a>` was found",
    )
    .await;
    check_fails("{}", b"[{\"a\":1".to_vec(), "it is not JSON: expected `,` or `}` at byte 7").await;
    let api = Api::serve(|_| bytes(vec![b' '; 2_000_000])).await;
    let text = "name: x\nbase_url: '{url}'\nrequests: {body_bytes: 1 MB}\ntables:\n  items: {}\n";
    let error = Platform::new(text, &api).sync().await.expect_err("an error");
    assert!(told(&error).contains("is larger than 1000000 bytes"), "{}", told(&error));
}

#[tokio::test]
async fn lines_whose_fields_stand_at_fixed_places() {
    let table = "{primary_key: id, format: fixed_width, fixed_width: {columns: {id: 3, name: 4}}}";
    assert_eq!(ids(table, |_| bytes("  1ann\n 12bob\n")).await, [1, 12]);
    assert_eq!(ids(table, |_| bytes(gzip(b"  7ann\n"))).await, [7]);
}

/// A workbook of one sheet, as small as Excel reads it.
fn workbook(rows: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let sheet = format!(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
    );
    for (name, text) in [
        (
            "[Content_Types].xml",
            r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>"#,
        ),
        (
            "_rels/.rels",
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
        (
            "xl/workbook.xml",
            r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Items" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#,
        ),
        (
            "xl/styles.xml",
            r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/></cellXfs></styleSheet>"#,
        ),
        ("xl/worksheets/sheet1.xml", &sheet),
    ] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("memory");
        archive.write_all(text.as_bytes()).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}

const SHEET: &str = r#"
<row r="1"><c r="A1" t="inlineStr"><is><t>made by x</t></is></c></row>
<row r="2"><c r="A2" t="inlineStr"><is><t>id</t></is></c><c r="B2" t="inlineStr"><is><t>price</t></is></c><c r="C2" t="inlineStr"><is><t>day</t></is></c><c r="D2" t="inlineStr"><is><t>at</t></is></c><c r="E2" t="inlineStr"><is><t>ok</t></is></c></row>
<row r="3"><c r="A3"><v>1</v></c><c r="B3"><v>19.9</v></c><c r="C3" s="1"><v>45352</v></c><c r="D3" s="2"><v>45352.75</v></c><c r="E3" t="b"><v>1</v></c></row>
<row r="5"><c r="A5"><v>2</v></c><c r="B5" t="e"><v>#N/A</v></c></row>
<row r="6"><c r="A6"><v>3</v></c></row>"#;

#[tokio::test]
async fn a_sheet_of_a_workbook_is_a_table() {
    let table =
        "{primary_key: id, format: excel, excel: {sheet: Items, skip_rows: 1, bad_rows: skip}}";
    let spaces = " ".repeat(100_000);
    let api = Api::serve(move |_| bytes(workbook(&format!("{SHEET}{spaces}")))).await;
    let text = format!("name: x\nbase_url: '{{url}}'\ntables:\n  items: {table}\n");
    let mut platform = Platform::new(&text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 3]);
    assert_eq!(platform.warnings, ["bad_rows"]);
    assert_eq!(
        platform.tables["items"]["1"],
        json!({"id": 1, "price": 19.9, "day": "2024-03-01", "at": "2024-03-01T18:00:00", "ok": true})
    );
    let check = async |text: String, expected: &str| {
        let error = Platform::new(&text, &api).sync().await.expect_err("an error");
        assert!(told(&error).contains(expected), "{}", told(&error));
    };
    check(text.replace(", bad_rows: skip", ""), "line 5: the cell of column `price` holds #N/A")
        .await;
    check(text.replace("Items", "Itms"), "the workbook has no such sheet; it has Items").await;
    check(
        text.replace("tables:", "requests: {body_bytes: 20000}\ntables:"),
        "the workbook unpacks to more than 20000 bytes",
    )
    .await;
}

/// A page that is a Parquet or an Avro file, as exports of warehouses are.
#[tokio::test]
async fn columns_and_records_are_answers_too() {
    use parquet::data_type::Int64Type;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;

    let schema = parquet::schema::parser::parse_message_type("message rows { required int64 id; }");
    let mut columns = Vec::new();
    let properties = Arc::new(WriterProperties::default());
    let schema = Arc::new(schema.expect("a schema"));
    let mut writer = SerializedFileWriter::new(&mut columns, schema, properties).expect("memory");
    let mut group = writer.next_row_group().expect("memory");
    let mut column = group.next_column().expect("memory").expect("a column");
    column.typed::<Int64Type>().write_batch(&[1, 2, 3], None, None).expect("memory");
    column.close().expect("memory");
    group.close().expect("memory");
    writer.close().expect("memory");
    let table = "{primary_key: id, format: parquet}";
    assert_eq!(ids(table, move |_| bytes(columns.clone())).await, [1, 2, 3]);

    let schema = r#"{"type": "record", "name": "row", "fields": [{"name": "id", "type": "long"}]}"#;
    let schema = apache_avro::Schema::parse_str(schema).expect("a schema");
    let mut writer = apache_avro::Writer::new(&schema, Vec::new()).expect("memory");
    for id in [4_i64, 5] {
        let mut record = apache_avro::types::Record::new(&schema).expect("a record");
        record.put("id", id);
        writer.append_value(record).expect("memory");
    }
    let records = writer.into_inner().expect("memory");
    let table = "{primary_key: id, format: avro}";
    assert_eq!(ids(table, move |_| bytes(records.clone())).await, [4, 5]);
}
