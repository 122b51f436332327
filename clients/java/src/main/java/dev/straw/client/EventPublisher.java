package dev.straw.client;

import dev.straw.v1.Event;
import java.util.Objects;
import java.util.concurrent.Flow;
import java.util.function.Supplier;

/** Gives each subscriber a subscription of its own. */
final class EventPublisher implements Flow.Publisher<Event> {
  private final Supplier<EventStream> subscribe;
  private final Workers workers;

  EventPublisher(Supplier<EventStream> subscribe, Workers workers) {
    this.subscribe = subscribe;
    this.workers = workers;
  }

  @Override
  public void subscribe(Flow.Subscriber<? super Event> subscriber) {
    Objects.requireNonNull(subscriber, "subscriber");
    workers.execute(new Delivering(subscribe.get(), subscriber));
  }

  /** Makes a listener a subscriber that takes events as fast as it handles them. */
  static Flow.Subscriber<Event> of(EventListener listener) {
    return new Flow.Subscriber<>() {
      @Override
      public void onSubscribe(Flow.Subscription subscription) {
        subscription.request(Long.MAX_VALUE);
      }

      @Override
      public void onNext(Event event) {
        try {
          listener.onEvent(event);
        } catch (RuntimeException e) {
          throw e;
        } catch (Exception e) {
          throw new Delivering.ListenerFailure(e);
        }
      }

      @Override
      public void onError(Throwable failure) {
        listener.onError(failure);
      }

      @Override
      public void onComplete() {
        listener.onEnd();
      }
    };
  }
}
