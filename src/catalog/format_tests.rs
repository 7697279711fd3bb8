//! The records shown in `docs/FORMAT.md` are real, byte by byte. If this test fails, the format has changed, and
//! with it every file that exists.

use std::fmt::Write;

use bytemuck::Zeroable;

use super::*;
use crate::column::ChunkMeta;
use crate::column::le::{U32, U64};
use crate::column::types::LogicalType;
use crate::pager::SlotId;

const DOCUMENT: &str = include_str!("../../docs/FORMAT.md");

fn slot(page: u64, slot: u64) -> SlotId {
    SlotId::from_u64(page << 16 | slot).unwrap()
}

fn table() -> TableDefinition {
    let decimal = LogicalType::Decimal { width: 9, scale: 2 };
    let columns = vec![
        ColumnDefinition { nullable: false, ..ColumnDefinition::new("id", LogicalType::BigInt) },
        ColumnDefinition { default: Some("0".into()), ..ColumnDefinition::new("fare", decimal) },
        ColumnDefinition {
            role: ColumnRole::Tag,
            ..ColumnDefinition::new("zone", LogicalType::List(Box::new(LogicalType::Varchar)))
        },
    ];
    let mut table = TableDefinition::new(SchemaId(1), "Trips", columns);
    table.id = TableId(2);
    table.comment = Some("a year".into());
    let key = ConstraintKind::Unique { columns: vec![ColumnId(0)], primary: true };
    let check = ConstraintKind::Check { expression: "(fare >= 0)".into() };
    table.constraints = vec![
        ConstraintDefinition { name: None, kind: key },
        ConstraintDefinition { name: Some("positive".into()), kind: check },
    ];
    table.indexes.push(IndexDefinition {
        name: "by_fare".into(),
        unique: false,
        comment: None,
        keys: vec!["fare".into()],
    });
    table
}

/// The records of the example, with their names in the document.
fn records() -> Vec<(&'static str, Vec<u8>)> {
    let schema = SchemaDefinition { id: SchemaId(1), name: "main".into(), comment: None };
    let names = vec!["zone".into(), "n".into()];
    let mut view =
        ViewDefinition::new(SchemaId(1), "busy", "SELECT zone, count(*) FROM Trips GROUP BY ALL", names);
    view.id = ObjectId(3);
    let entry = |kind, id, at, directory| RootEntry { kind, id, record: slot(2, at), directory };
    let root = CatalogRoot {
        next_id: 4,
        entries: vec![
            entry(record::RecordKind::Schema, 1, 0, None),
            entry(record::RecordKind::Table, 2, 1, Some(slot(4, 2))),
            entry(record::RecordKind::View, 3, 2, None),
        ],
        dependencies: vec![Dependency { on: ObjectId(2), dependent: ObjectId(3) }],
    };
    let mut sequence = SequenceDefinition::new(SchemaId(1), "ids");
    (sequence.id, sequence.start, sequence.increment) = (ObjectId(4), 10, 5);
    sequence.restart();
    sequence.take().unwrap();
    let parameter = |name: &str, default: Option<&str>| MacroParameter {
        name: name.into(),
        ty: None,
        default: default.map(Into::into),
    };
    let plus = MacroDefinition {
        id: ObjectId(5),
        schema: SchemaId(1),
        name: "plus".into(),
        comment: None,
        kind: MacroKind::Scalar,
        overloads: vec![MacroOverload {
            parameters: vec![parameter("a", None), parameter("b", Some("1"))],
            body: "a + b".into(),
            returns: None,
        }],
    };
    let mood = TypeDefinition {
        id: ObjectId(6),
        schema: SchemaId(1),
        name: "mood".into(),
        comment: None,
        ty: LogicalType::Enum(vec!["sad".into(), "ok".into()].into()),
        domain: None,
    };
    let segments = vec![SegmentRef { slot: slot(4, 1), rows: 122_890, row_groups: 2 }];
    let directory =
        DirectoryRecord { table: TableId(2), rows: 122_890, deleted_rows: 3, bytes: 1_000_064, segments };
    let entry = |at, rows, bytes| SegmentEntry {
        record: slot(4, at),
        rows,
        deleted_rows: 0,
        deletes: None,
        bytes,
        time_range: None,
    };
    let mut second = entry(3, 10, 64);
    second.deletes = Some(DeletesRef { page: 900, pages: 1, checksum: 0x1234_5678 });
    (second.deleted_rows, second.time_range) = (3, Some((-1, 256)));
    let segment = SegmentRecord { entries: vec![entry(0, 122_880, 1_000_000), second] };
    let meta = ChunkMeta {
        extent_page: U64::new(5),
        byte_len: U64::new(64),
        row_count: U32::new(10),
        ..ChunkMeta::zeroed()
    };
    vec![
        ("root", root.encode()),
        ("schema", schema.encode()),
        ("table", table().encode()),
        ("view", view.encode()),
        ("sequence", sequence.encode()),
        ("macro", plus.encode()),
        ("type", mood.encode()),
        ("directory", directory.encode()),
        ("segment", segment.encode()),
        (
            "row group",
            encode_row_group(10, 5, 1, 64, &[(ColumnId(0), meta)], &KeysPlace::default())[..68 + 32].to_vec(),
        ),
    ]
}

/// Lines of 16 bytes with their offset in the record.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, bytes) in bytes.chunks(16).enumerate() {
        write!(text, "{:06x} ", line * 16).unwrap();
        for (index, byte) in bytes.iter().enumerate() {
            write!(text, "{}{byte:02x}", if index == 8 { "  " } else { " " }).unwrap();
        }
        text.push('\n');
    }
    text
}

/// A table's record as version 1 wrote it.
#[test]
fn tables_of_version_1_are_read() {
    let bytes = [
        3, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b't', 0, 1, 0, 0, 0, 1, 0, 0,
        0, 0, 0, 0, 0, 1, 0, 0, 0, b'a', 5, 0, 0, 1, 1, 0, 0, 0, b'7', 0,
    ];
    let read = TableDefinition::decode(&bytes).unwrap();
    let column = ColumnDefinition {
        nullable: false,
        default: Some("7".into()),
        ..ColumnDefinition::new("a", LogicalType::Integer)
    };
    let mut table = TableDefinition::new(SchemaId(1), "t", vec![column]);
    table.id = TableId(2);
    assert_eq!(read, table);
    assert_eq!(TableDefinition::decode(&table.encode()).unwrap(), table);
}

#[test]
fn the_document_shows_real_records() {
    for (name, bytes) in records() {
        let lines = format!("```\n{}```", dump(&bytes));
        assert!(DOCUMENT.contains(&lines), "docs/FORMAT.md does not show this {name} record:\n{lines}");
    }
}
