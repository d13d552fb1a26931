// How does Java's own HttpClient embed? By HTTP alone: it is given bodies, and gives back what was answered.
//
// It follows no redirect unless told to, and told to, it takes the Authorization header along to wherever that leads,
// which the store of large answers refuses. So a 303 is followed here, by a request without the token.
// With the argument NORMAL, Java is left to follow by itself.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Redirect;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

class Ask {
  static final Pattern BODY = Pattern.compile("\"([A-Za-z0-9+/=]{8,})\"");
  static HttpClient client;

  public static void main(String[] arguments) throws Exception {
    var follow = arguments.length == 0 ? Redirect.NEVER : Redirect.valueOf(arguments[0]);
    client = HttpClient.newBuilder().followRedirects(follow).build();
    var input = new BufferedReader(new InputStreamReader(System.in));
    for (var line = input.readLine(); line != null; line = input.readLine()) {
      var job = line;
      var waiting = bodies(job).map(body -> ask(job, body)).collect(Collectors.toList());
      System.out.println(waiting.stream().map(Ask::outcome).collect(Collectors.joining(",", "[", "]")));
    }
  }

  static CompletableFuture<HttpResponse<byte[]>> ask(String job, byte[] body) {
    var request =
        HttpRequest.newBuilder(URI.create(field(job, "url") + "/embeddings"))
            .header("Authorization", "Bearer " + field(job, "key"))
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofByteArray(body))
            .build();
    return client.sendAsync(request, BodyHandlers.ofByteArray()).thenCompose(Ask::wherever);
  }

  static CompletableFuture<HttpResponse<byte[]>> wherever(HttpResponse<byte[]> answer) {
    if (answer.statusCode() != 303) return CompletableFuture.completedFuture(answer);
    var elsewhere = URI.create(answer.headers().firstValue("Location").orElseThrow());
    return client.sendAsync(HttpRequest.newBuilder(elsewhere).build(), BodyHandlers.ofByteArray());
  }

  static String outcome(CompletableFuture<HttpResponse<byte[]>> waiting) {
    var answer = waiting.join();
    var id = answer.headers().firstValue("x-request-id").orElse("");
    var body = Base64.getEncoder().encodeToString(answer.body());
    return String.format("{\"status\":%d,\"request_id\":\"%s\",\"body\":\"%s\"}", answer.statusCode(), id, body);
  }

  // A job is written by the suite, and nothing in it needs an escape: Java brings no reader of JSON.
  static String field(String job, String name) {
    var found = Pattern.compile("\"" + name + "\": \"([^\"]*)\"").matcher(job);
    if (!found.find()) throw new IllegalArgumentException(name);
    return found.group(1);
  }

  static Stream<byte[]> bodies(String job) {
    var all = job.substring(job.indexOf("\"bodies\""));
    return BODY.matcher(all).results().map(found -> Base64.getDecoder().decode(found.group(1)));
  }
}
