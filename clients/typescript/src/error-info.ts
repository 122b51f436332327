import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";

// Two fields of google.rpc.ErrorInfo and a map, read by hand: not worth a dependency on googleapis.
const infoType = "google.rpc.ErrorInfo";
const domain = "straw.v1";

interface ErrorInfo {
  domain: string;
  reason: string;
  metadata: Record<string, string>;
}

/**
 * Returns what a gateway says about its own error; undefined for errors of others.
 *
 * @internal
 */
export function findErrorInfo(error: ConnectError): ErrorInfo | undefined {
  for (const detail of error.details) {
    if ("type" in detail && detail.type === infoType) {
      const info = decode(detail.value);
      if (info.domain === domain) {
        return info;
      }
    }
  }
  return undefined;
}

function decode(bytes: Uint8Array): ErrorInfo {
  const reader = new BinaryReader(bytes);
  const info: ErrorInfo = { domain: "", reason: "", metadata: {} };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    switch (field) {
      case 1:
        info.reason = reader.string();
        break;
      case 2:
        info.domain = reader.string();
        break;
      case 3: {
        const [key, value] = decodeEntry(reader.bytes());
        info.metadata[key] = value;
        break;
      }
      default:
        reader.skip(wireType, field);
    }
  }
  return info;
}

function decodeEntry(bytes: Uint8Array): [key: string, value: string] {
  const reader = new BinaryReader(bytes);
  const entry: [string, string] = ["", ""];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 || field === 2) {
      entry[field - 1] = reader.string();
    } else {
      reader.skip(wireType, field);
    }
  }
  return entry;
}
