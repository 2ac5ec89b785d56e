// One request: what the server says, and how long that took as seen from here.

async function request(image, asked) {
  const started = performance.now();
  const told = await fetch(`predict?${new URLSearchParams(asked)}`, { method: "POST", body: image }).then(
    (response) => response.json(),
  ).catch(() => ({ error: "the server does not answer" }));
  return { ...told, roundTrip: performance.now() - started };
}
