// The page of predictions: cards of photos that one filters, sorts and points at. Texts become text nodes, never markup.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const INFERNO = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
const STRENGTH = 0.65, SIDE = 48, CHUNK = 1000;
const [low, high] = data.scale;
const digits = Math.min(4, Math.max(2, Math.ceil(2 - Math.log10(Math.max(high - low, 1e-9)))));
const number = value => value.toFixed(digits);
const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const element = (tag, parent, text) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
};

// A map is h x w bytes, 255 where it is largest: drawn smoothly, as colour with an opacity that grows with it.
function draw(canvas, code) {
  const [h, w] = data.grid, bytes = Uint8Array.from(atob(code), c => c.charCodeAt(0));
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d"), image = context.createImageData(SIDE, SIDE);
  const clamp = (value, most) => Math.min(Math.max(value, 0), most);
  for (let y = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++) {
    const v = clamp((y + .5) * h / SIDE - .5, h - 1), u = clamp((x + .5) * w / SIDE - .5, w - 1);
    const i = Math.min(v | 0, h - 1), j = Math.min(u | 0, w - 1), k = Math.min(i + 1, h - 1), l = Math.min(j + 1, w - 1);
    const ease = t => t * t * (3 - 2 * t), a = ease(v - i), b = ease(u - j);
    const level = ((1 - a) * ((1 - b) * bytes[i * w + j] + b * bytes[i * w + l])
      + a * ((1 - b) * bytes[k * w + j] + b * bytes[k * w + l])) / 255;
    const colour = level * (INFERNO.length - 1), p = Math.min(colour | 0, INFERNO.length - 2), t = colour - p;
    const o = 4 * (y * SIDE + x);
    for (let c = 0; c < 3; c++) image.data[o + c] = (1 - t) * INFERNO[p][c] + t * INFERNO[p + 1][c];
    image.data[o + 3] = 255 * STRENGTH * level;
  }
  context.putImageData(image, 0, 0);
}

// One card: the photo, its name, its labels. `show(index)` lays the map of a class over the photo, `show(null)` none.
function card(photo) {
  const figure = element("figure"), button = element("button", figure);
  button.type = "button";
  button.className = "photo";
  const frame = element("span", button), image = element("img", frame), badge = element("span", button);
  frame.className = "frame";
  badge.className = "badge";
  const wide = photo.width / photo.height > ratio, part = wide ? 100 : 100 * photo.width / photo.height / ratio;
  frame.style.width = `${part}%`;
  frame.style.height = `${wide ? 100 * ratio * photo.height / photo.width : 100}%`;
  image.src = photo.thumbnail;
  image.alt = `${photo.name}: ${photo.top.map(([index]) => data.classes[index]).join(", ")}`;
  image.loading = "lazy";
  const caption = element("figcaption", figure), link = element("a", caption, photo.name);
  link.href = photo.link;
  link.title = `${photo.name} (${photo.width} x ${photo.height}), open the file`;
  const list = element("ul", caption), rows = new Map();
  const hasMap = index => photo.maps && photo.maps[index] !== undefined;
  let canvas = null, pinned = null;
  function show(index) {
    const hot = index !== null && hasMap(index);
    frame.classList.toggle("hot", hot);
    if (!hot) return;
    if (!canvas) {
      canvas = element("canvas", frame);
      const square = data.crop === "center", tall = photo.height > photo.width;
      canvas.style.width = square && !tall ? `${100 * photo.height / photo.width}%` : "100%";
      canvas.style.height = square && tall ? `${100 * photo.width / photo.height}%` : "100%";
    }
    draw(canvas, photo.maps[index]);
    badge.textContent = data.classes[index];
  }
  const first = () => hasMap(state.class) ? state.class : photo.top[0][0];
  const rest = () => show(pinned !== null ? pinned : state.heat ? first() : null);
  const pin = index => {
    pinned = pinned === index ? null : index;
    for (const [key, row] of rows) row.firstChild.setAttribute("aria-pressed", key === pinned);
    button.setAttribute("aria-pressed", pinned !== null);
    rest();
  };
  for (const [index, score] of photo.top) {
    const row = element("li", list), label = element("button", row);
    label.type = "button";
    label.style.setProperty("--part", high > low ? Math.max(0, (score - low) / (high - low)).toFixed(3) : 1);
    element("span", label, data.classes[index]);
    element("span", label, number(score));
    rows.set(index, row);
    label.disabled = !hasMap(index);
    label.title = hasMap(index) ? `where ${data.classes[index]} looks` : data.classes[index];
    label.addEventListener("mouseenter", () => show(index));
    label.addEventListener("focus", () => show(index));
    label.addEventListener("mouseleave", rest);
    label.addEventListener("blur", rest);
    label.addEventListener("click", () => pin(index));
  }
  button.disabled = !photo.maps;
  button.title = photo.maps ? "heat map: hover to see it, click to keep it" : "";
  button.addEventListener("mouseenter", () => show(pinned !== null ? pinned : first()));
  button.addEventListener("mouseleave", rest);
  button.addEventListener("click", () => pin(pinned !== null ? pinned : first()));
  figure.renew = () => {
    for (const label of photo.top) {
      rows.get(label[0]).classList.toggle("chosen", label[0] === state.class);
      rows.get(label[0]).classList.toggle("there", counts(label));
    }
    rest();
  };
  return figure;
}

// Without a cut set by hand a label counts as the recogniser decided; a class is then filtered by that, or by being shown.
const state = {class: null, sort: "score", search: "", heat: false, cut: null};
const counts = ([, value, there]) => state.cut === null ? there === 1 : value >= state.cut;
const labelOf = (photo, index) => photo.top.find(([other]) => index === null || other === index);
const scoreOf = (photo, index) => labelOf(photo, index)?.[1] ?? low;
const has = (photo, index) => {
  const label = labelOf(photo, index);
  return label !== undefined && (counts(label) || (state.cut === null && !data.decided));
};
const shapes = data.photos.map(photo => photo.width / photo.height).sort((a, b) => a - b);
const ratio = Math.min(1.78, Math.max(.75, shapes[shapes.length >> 1] || 1));
document.documentElement.style.setProperty("--ratio", ratio);
const cards = new Map();
let shown = [], onPage = 0;

function more() {
  const next = shown.slice(onPage, onPage + CHUNK);
  onPage += next.length;
  at("photos").append(...next.map(photo => {
    if (!cards.has(photo)) cards.set(photo, card(photo));
    const made = cards.get(photo);
    made.renew();
    return made;
  }));
}

function renew() {
  const words = state.search.toLowerCase();
  shown = data.photos.filter(photo =>
    (state.class === null || has(photo, state.class)) && photo.name.toLowerCase().includes(words));
  if (state.sort !== "name") {
    const sign = state.sort === "score" ? -1 : 1;
    shown.sort((a, b) => sign * (scoreOf(a, state.class) - scoreOf(b, state.class)));
  }
  at("photos").replaceChildren();
  onPage = 0;
  more();
  at("none").hidden = shown.length > 0;
  for (const option of at("class").options) {
    if (option.value === "") continue;
    const index = Number(option.value), count = data.photos.filter(photo => has(photo, index)).length;
    option.textContent = `${data.classes[index]} (${count.toLocaleString("en")})`;
    option.disabled = count === 0 && index !== state.class;
  }
  at("cut-value").textContent = state.cut !== null ? number(state.cut) : data.decided ? "as trained" : "none set";
  at("count").textContent = `${shown.length.toLocaleString("en")} of ${counted(data.photos.length, "photo")}`;
  const parts = new URLSearchParams();
  if (state.class !== null) parts.set("class", data.classes[state.class]);
  if (state.sort !== "score") parts.set("sort", state.sort);
  if (state.search) parts.set("search", state.search);
  if (state.heat) parts.set("heat", "1");
  if (state.cut !== null) parts.set("from", number(state.cut));
  const hash = parts.toString();
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
}

function read() {
  const parts = new URLSearchParams(location.hash.slice(1)), index = data.classes.indexOf(parts.get("class"));
  state.class = index < 0 ? null : index;
  state.sort = ["score", "score-up", "name"].includes(parts.get("sort")) ? parts.get("sort") : "score";
  state.search = parts.get("search") || "";
  state.heat = parts.get("heat") === "1" && data.heat;
  state.cut = parts.has("from") && !isNaN(parts.get("from")) ? Number(parts.get("from")) : null;
  at("class").value = state.class === null ? "" : state.class;
  at("sort").value = state.sort;
  at("search").value = state.search;
  if (data.heat) at("heat").checked = state.heat;
  at("cut").value = state.cut !== null ? state.cut : high;
  renew();
}

element("option", at("class"), `all (${data.photos.length.toLocaleString("en")})`).value = "";
const named = data.classes.map((name, index) => [name, index]).sort((a, b) => a[0].localeCompare(b[0]));
for (const [name, index] of named) element("option", at("class"), name).value = index;
[at("cut").min, at("cut").max] = [low, high];
at("class").addEventListener("change", event => {
  state.class = event.target.value === "" ? null : Number(event.target.value);
  renew();
});
at("sort").addEventListener("change", event => { state.sort = event.target.value; renew(); });
at("search").addEventListener("input", event => { state.search = event.target.value; renew(); });
at("cut").addEventListener("input", event => { state.cut = Number(event.target.value); renew(); });
at("cut").addEventListener("dblclick", event => { state.cut = null; event.target.value = high; renew(); });
if (data.heat) at("heat").addEventListener("change", event => { state.heat = event.target.checked; renew(); });
document.querySelector("form").addEventListener("submit", event => event.preventDefault());
addEventListener("hashchange", read);
addEventListener("keydown", event => {
  if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "h" && data.heat) at("heat").click();
  else if (event.key === "/") { event.preventDefault(); at("search").focus(); }
  else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    const figure = event.target.closest("figure");
    const next = !figure ? at("photos").firstElementChild
      : event.key === "ArrowRight" ? figure.nextElementSibling : figure.previousElementSibling;
    if (next) { event.preventDefault(); next.querySelector(".photo:enabled, a").focus(); }
  }
});
const end = new IntersectionObserver(entries => {
  if (!entries.some(entry => entry.isIntersecting) || onPage >= shown.length) return;
  more();
  end.unobserve(entries[0].target);  // if the end is still near, that is told anew
  end.observe(entries[0].target);
}, {rootMargin: "1200px"});
end.observe(document.querySelector("footer"));
read();
