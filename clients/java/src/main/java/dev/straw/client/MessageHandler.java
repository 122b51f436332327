package dev.straw.client;

/** Handles the messages of a durable subscription. It is called by several threads at once. */
@FunctionalInterface
public interface MessageHandler {
  /**
   * Handles a message. When this returns it is acknowledged, unless the handler has settled it by
   * itself.
   *
   * @param message the event, and how often it was sent
   * @throws Exception gives the message back, as a failure with the exception's message as the
   *     reason; it is sent again later
   */
  void handle(Message message) throws Exception;
}
