'use strict';
// Adds to the page what needs a script: the gateway's own address in the commands, and forms that send calls.

document.documentElement.classList.add('js');
for (const span of document.querySelectorAll('.origin')) span.textContent = location.origin;

const keptCharacters = 200000; // of a stream's answer

// urlOf fills the path and the query of a form's call. Ids are percent-encoded, slashes and colons too.
function urlOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll('[name]')) {
    if (input.dataset.in === 'path') {
      path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    } else if (input.value !== '') {
      const values = 'list' in input.dataset ? input.value.split(',') : [input.value];
      for (const value of values) query.append(input.name, value.trim());
    }
  }
  return query.size ? `${path}?${query}` : path;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// follow shows a stream's lines as they come, the last ones if they are many.
async function follow(response, answer) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    answer.textContent = (answer.textContent + value).slice(-keptCharacters);
    answer.scrollTop = answer.scrollHeight;
  }
}

async function send(form, signal) {
  const status = form.querySelector('output');
  const answer = form.querySelector('.answer');
  const url = urlOf(form);
  answer.textContent = '';
  answer.hidden = false;
  status.textContent = `GET ${url}`;
  const response = await fetch(url, {signal, cache: 'no-store'});
  status.textContent = `${response.status} ${response.statusText}`;
  if ('streams' in form.dataset) {
    await follow(response, answer);
    return;
  }
  answer.textContent = pretty(await response.text());
}

for (const form of document.querySelectorAll('form.try')) {
  const stop = form.querySelector('.stop');
  let running = new AbortController();
  stop.addEventListener('click', () => running.abort());
  form.addEventListener('submit', async (submitted) => {
    submitted.preventDefault();
    running.abort();
    const mine = running = new AbortController();
    stop.hidden = !('streams' in form.dataset);
    try {
      await send(form, mine.signal);
    } catch (problem) {
      if (!mine.signal.aborted) form.querySelector('output').textContent = String(problem);
    }
    if (mine === running) stop.hidden = true;
  });
}
