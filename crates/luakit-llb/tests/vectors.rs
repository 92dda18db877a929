//! Every op of the vectors, decoded and encoded again: the bytes must be those that BuildKit's Go client wrote.

use luakit_llb::marshal::{encode_op, op_digest};
use luakit_proto::{Message as _, pb};
use serde_json::Value;

#[test]
fn every_op_encodes_to_the_bytes_of_the_go_client() {
    let vectors: Value = serde_json::from_str(include_str!("data/llb-vectors.json")).unwrap();
    let mut seen = 0;
    for case in vectors["cases"].as_array().unwrap() {
        for op in case["ops"].as_array().unwrap() {
            let bytes = hex::decode(op["hex"].as_str().unwrap()).unwrap();
            let message = pb::Op::decode(&*bytes).unwrap();
            let encoded = encode_op(message);
            assert_eq!(hex::encode(&encoded), op["hex"], "{}", case["case"]);
            assert_eq!(op_digest(&encoded), op["digest"], "{}", case["case"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 155);
}
