use super::*;

/// The credentials, the time and the host of AWS's published signing test suite.
struct Vector {
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    token: Option<&'static str>,
    /// `sign_body` of the suite, as every call of ours is signed.
    with_digest: bool,
}

const GET: Vector =
    Vector { method: "GET", target: "/", headers: &[], body: "", token: None, with_digest: false };
const POST: Vector = Vector { method: "POST", ..GET };
const FORM: Vector = Vector { body: "Param1=value1", with_digest: true, ..POST };

#[track_caller]
fn check(vector: Vector, expected: &str) {
    let mut request = hyper::Request::builder()
        .method(vector.method)
        .uri(format!("https://example.amazonaws.com{}", vector.target));
    for (name, value) in vector.headers {
        request = request.header(*name, *value);
    }
    let body = Bytes::from_static(vector.body.as_bytes());
    let request = request.body(Full::new(body.clone())).expect("a request");
    let identity = AwsIdentity::of_the_test(vector.token);
    let signer = AwsSigner::new("service", "us-east-1", identity);
    // 2015-08-30T12:36:00Z
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let checksum = if vector.with_digest {
        PayloadChecksumKind::XAmzSha256
    } else {
        PayloadChecksumKind::NoHeader
    };
    let answer = signer.sign_at(at, checksum, request, &body);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let request = runtime.block_on(answer).expect("a signature");
    let header = request.headers()[header::AUTHORIZATION].to_str().expect("text");
    let found = header.rsplit_once("Signature=").expect("a signature").1;
    assert_eq!(found, expected, "{} {}: {header}", vector.method, vector.target);
}

/// Vectors of <https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4>, but for
/// paths with percent signs, which the suite signs as only S3 reads them.
#[test]
fn f_012_signatures_are_those_of_awss_published_test_suite() {
    check(GET, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    let target = "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1";
    check(
        Vector { target, ..GET },
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    );
    let target = "/?Param2=value2&Param1=value1";
    check(
        Vector { target, ..GET },
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    let target = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    check(
        Vector { target, ..GET },
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    );
    let target = "/example1/example2/../..";
    check(
        Vector { target, ..GET },
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    let target = "//example//";
    check(
        Vector { target, ..GET },
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    );
    let headers = &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")];
    check(
        Vector { headers, ..GET },
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    );
    let headers = &[("My-Header1", " value1"), ("My-Header2", "\"a   b   c\"")];
    check(
        Vector { headers, ..GET },
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    );
    let token = Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267");
    check(
        Vector { token, ..GET },
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    );
    check(POST, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    let headers = &[("My-Header1", "VALUE1")];
    check(
        Vector { headers, ..POST },
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    );
    let headers =
        &[("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", "13")];
    check(
        Vector { headers, ..FORM },
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    );
    let headers = &[
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("Content-Length", "13"),
    ];
    check(
        Vector { headers, ..FORM },
        "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
    );
}
