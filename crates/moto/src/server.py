"""moto's server on a free port of loopback, and boto3 in front of it: calls come on standard input, one
JSON object a line, and each is answered by one line. It ends when standard input does."""

import base64
import json
import os
import sys

checked = sys.argv[1] == "checked"
if checked:
    # So many calls make the user before callers are asked who they are.
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
keys = ("AKIAOFTHETESTS000000", "secret-key-of-the-tests")
clients = {}


def client(service):
    if service not in clients:
        clients[service] = boto3.client(
            service,
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
    return clients[service]


def text_of(value):
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return str(value)


if checked:
    iam = client("iam")
    iam.create_user(UserName="tester")
    key = iam.create_access_key(UserName="tester")["AccessKey"]
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName="tester", PolicyName="everything", PolicyDocument=json.dumps(everything))
    keys = (key["AccessKeyId"], key["SecretAccessKey"])
    clients.clear()

print(json.dumps({"url": url, "keys": keys}), flush=True)
for line in sys.stdin:
    call = json.loads(line)
    arguments = call["arguments"]
    if isinstance(arguments.get("Body"), dict):
        arguments["Body"] = base64.b64decode(arguments["Body"]["base64"])
    try:
        answer = {"answer": getattr(client(call["service"]), call["operation"])(**arguments)}
    except ClientError as error:
        answer = {"refused": error.response["Error"]["Code"]}
    print(json.dumps(answer, default=text_of), flush=True)
os._exit(0)
