package dev.straw.client;

import java.net.InetAddress;
import java.net.UnknownHostException;

/** A gateway's address, and whether it is this machine. */
record Target(String address, String host, boolean local) {

  static Target parse(String address) {
    if (address.startsWith("unix:")) {
      return new Target(address, "", true);
    }
    String authority = address.substring(address.indexOf("://") + 1);
    authority = authority.substring(authority.lastIndexOf('/') + 1);
    int colon = authority.lastIndexOf(':');
    if (colon <= 0 || colon == authority.length() - 1 || isBareV6(authority)) {
      throw new IllegalArgumentException(
          "gateway address \""
              + address
              + "\" isn't host:port, such as "
              + StrawClient.DEFAULT_ADDRESS);
    }
    String host = authority.substring(0, colon);
    return new Target(address, host, isLoopback(host));
  }

  private static boolean isBareV6(String authority) {
    return !authority.startsWith("[") && authority.indexOf(':') != authority.lastIndexOf(':');
  }

  /** Looks up no names: what they mean may change. */
  private static boolean isLoopback(String host) {
    if (host.equals("localhost")) {
      return true;
    }
    boolean literal = host.startsWith("[") || host.matches("[0-9]{1,3}(\\.[0-9]{1,3}){3}");
    try {
      return literal && InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }
}
