use proptest::prelude::*;

use super::*;
use crate::batch::{BatchBuilder, Batches};
use crate::ids::{LeaderEpoch, Offset};

type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

proptest! {
    #[test]
    fn records_read_back_as_written(pairs in prop::collection::vec(any::<Pair>(), 1..20), base in 0i64..1 << 40) {
        let mut builder = BatchBuilder::new(Offset(base), LeaderEpoch(3));
        for (i, (key, value)) in pairs.iter().enumerate() {
            builder = builder.record(1_000 + i as i64 * 7, key.as_deref(), value.as_deref());
        }
        let bytes = builder.build();
        let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
        let read: Vec<Pair> = records(&batch).unwrap().map(|record| {
            let record = record.unwrap();
            (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec))
        }).collect();
        prop_assert_eq!(read, pairs);
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ = Record::read(&mut Reader::new(&bytes));
    }

    #[test]
    fn headers_read_back_as_written(names in prop::collection::vec(("[a-z]{0,9}", any::<Option<Vec<u8>>>()), 0..9)) {
        let record = Record {
            attributes: 0, timestamp_delta: -4, offset_delta: 3, key: None, value: Some(b"v"),
            headers: names.iter().map(|(key, value)| RecordHeader { key, value: value.as_deref() }).collect(),
        };
        let mut out = Vec::new();
        record.write(&mut out);
        prop_assert_eq!(Record::read(&mut Reader::new(&out)).unwrap(), record);
    }
}
