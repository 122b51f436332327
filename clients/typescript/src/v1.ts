/**
 * Everything that is generated from straw/v1/*.proto: messages with their schemas, enums, and services. For the raw service clients,
 * and for `toJson` and `create` of `@bufbuild/protobuf`.
 *
 * @packageDocumentation
 */
export * from "./gen/straw/v1/error_reason_pb.js";
export * from "./gen/straw/v1/event_pb.js";
export * from "./gen/straw/v1/event_service_pb.js";
export * from "./gen/straw/v1/export_service_pb.js";
export * from "./gen/straw/v1/gateway_service_pb.js";
export * from "./gen/straw/v1/subscription_service_pb.js";
