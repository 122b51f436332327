import type { Channel } from "./channel.js";

/**
 * The channel of one subscription: the client's, until that fell silent; then one of its own. What made the old one deaf,
 * perhaps a proxy that answers pings for a dead gateway, may stay so for as long as it lives.
 *
 * @internal
 */
export class Link {
  #own: Channel | undefined;

  constructor(
    private readonly shared: Channel,
    private readonly open: () => Channel,
  ) {}

  get channel(): Channel {
    return this.#own ?? this.shared;
  }

  renew(): void {
    this.close();
    this.#own = this.open();
  }

  close(): void {
    this.#own?.close();
    this.#own = undefined;
  }
}
