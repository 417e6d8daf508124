//! Codes of what lies in a cloud beside the function: objects, secrets, tokens; and of recordings.

use super::Explanation;
use super::codes::{config, function, warning};

pub(super) const ALL: &[Explanation] = &[
    config(
        "azure_no_token",
        "Nobody gave a token of Microsoft Entra ID: no application is named, its secret is wrong or over, or the machine has no managed identity.",
        "Set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, or write them under `azure`; check that the application may use the `resource`.",
    ),
    config(
        "call_not_recorded",
        "A sync of a recording asks for a state that was never sent when it was made.",
        "Record again, with more `--pages`; replay into a file that holds nothing of this connection yet.",
    ),
    config(
        "invalid_object_name",
        "An object of S3 cannot have the name that `s3: {prefix: …}` makes.",
        "Use letters, digits, - _ . and =, with / between the parts.",
    ),
    config(
        "recording_exists",
        "A recording is to be written where something is already.",
        "Name another folder, or empty this one.",
    ),
    config(
        "recording_unreadable",
        "A folder is no recording, or a file of it is not what it was.",
        "Name a folder that `hasmore record` has written, or record again.",
    ),
    config(
        "s3_access_denied",
        "S3 knows the caller and does not let it at the object. It says so also of an object that is not there, to who may not list the bucket.",
        "Allow the caller `s3:GetObject` and `s3:DeleteObject` on the objects and `s3:ListBucket` on the bucket; allow the function's role `s3:PutObject`.",
    ),
    config(
        "s3_bucket_not_found",
        "There is no bucket of that name.",
        "Correct `s3: {bucket: …}`, or make the bucket.",
    ),
    config(
        "s3_wrong_region",
        "The bucket is in another region than the function.",
        "Name the bucket's region with `s3: {region: …}`.",
    ),
    config(
        "secret_access_denied",
        "The store knows the secret, or does not tell, and does not let the caller read it.",
        "Let the caller read it: `secretsmanager:GetSecretValue`, `ssm:GetParameter` with `kms:Decrypt`, *Secret Manager Secret Accessor*, *Key Vault Secrets User*, or a policy of Vault.",
    ),
    config(
        "secret_not_found",
        "The store has no secret of that name, no such version, or no such member in it.",
        "Correct the name, the part after `#`, or the region.",
    ),
    config(
        "secret_store_unavailable",
        "The store of secrets did not answer, three times.",
        "Try again later; check the address, and the proxy if there is one.",
    ),
    config(
        "tables_not_compared",
        "DuckDB cannot read the tables of the two sides of a `diff` together, or runs out of memory or disk on the way.",
        "Free what the message names; leave `--stored` out if its file is in use or damaged.",
    ),
    function(
        "ambiguous_s3_response",
        "The function returned rows and wrote an object as well, so it cannot be known which are meant.",
        "Where the request names `bucket` and `file`, write `insert` and `delete` there and leave them out of what is returned.",
    ),
    function(
        "s3_object_broken",
        "The object that the function wrote is cut off, is no JSON, or is not of the protocol.",
        "Write one JSON object with `insert` and `delete`, whole, in one upload, plain or as gzip; then sync again.",
    ),
    function(
        "s3_object_missing",
        "The function returned no rows, and did not write the object that the request named, nor within twelve seconds after it answered.",
        "Write an object for every call, also one without rows, and return only when the upload is done.",
    ),
    warning(
        "s3_objects_left",
        "Rows have landed, and the objects that they were read from could not be deleted.",
        "Allow the caller `s3:DeleteObject`, or give the bucket a lifecycle rule and write `s3: {keep: true}`.",
    ),
];
