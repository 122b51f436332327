/**
 * The client of Straw, the event gateway for Juicebox webhooks. It reconnects, resumes and acknowledges for the program, never
 * retries what a retry can't help, and never hides a gap.
 *
 * @packageDocumentation
 */
export { StrawClient, type Cancellation } from "./client.js";
export type { ClientOptions, TlsOptions, Token } from "./options.js";
export type { FramesOptions, Start, StreamOptions, SubscribeOptions } from "./subscribe-options.js";
export type { ConsumeHooks, ConsumeOptions } from "./consume-options.js";
export type { Handler } from "./consume.js";
export type { AckStatus, Delivery, NackOptions } from "./delivery.js";
export type { Hooks } from "./hooks.js";
export type { CursorStore } from "./cursor.js";
export { fileCursor } from "./file-cursor.js";
export { Download, type DownloadOptions } from "./download.js";
export { StrawError, type Reason, type StatusCode } from "./error.js";
export { SIGNATURE_HEADER, verifySignature } from "./signature.js";
export * from "./event.js";
export * as v1 from "./v1.js";
