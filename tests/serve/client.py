"""What the official client must be able to do with a host: client.py PART BASE_URL TOKEN"""

import sys
from concurrent.futures import ThreadPoolExecutor

from sprites import SpritesClient
from sprites.exceptions import AuthenticationError, NotFoundError, SpriteError, parse_api_error
from sprites.types import ListOptions, URLSettings

part, base_url, token = sys.argv[1:4]
client = SpritesClient(token, base_url=base_url)


def fails(kind, act):
    try:
        act()
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} was expected")


def at_once(count, create):
    """What came of so many creates at one time: how many were made, and what the others were told."""
    def one(number):
        try:
            return create(number), None
        except SpriteError as error:
            return None, str(error)
    with ThreadPoolExecutor(count) as pool:
        ended = list(pool.map(one, range(count)))
    return [made for made, _ in ended if made], [error for _, error in ended if error]


def life():
    made = client.create_sprite("first", labels=["a", "b"], url_settings=URLSettings(auth="public"))
    assert made.status == "running" and made.labels == ["a", "b"] and made.url_settings.auth == "public", vars(made)
    seen = client.get_sprite("first")
    assert (seen.id, seen.url, seen.created_at) == (made.id, made.url, made.created_at) and seen.created_at.tzinfo
    assert client.http_client.get(seen.url).json()["requests"] == 1
    assert "exists" in fails(SpriteError, lambda: client.create_sprite("first"))
    for bad in ["", "Upper", "with space", "../first", "x" * 64]:
        assert "status 400" in fails(SpriteError, lambda: client.create_sprite(bad)), bad
    fails(NotFoundError, lambda: client.get_sprite("no/such"))
    fails(AuthenticationError, lambda: SpritesClient("wrong-" + token, base_url=base_url).get_sprite("first"))
    changed = client.update_sprite("first", labels=["c"])
    assert changed.labels == ["c"] and changed.url_settings.auth == "public", vars(changed)
    client.update_url_settings("first", URLSettings(auth="sprite"))
    assert client.get_sprite("first").labels == ["c"] and client.get_sprite("first").url_settings.auth == "sprite"
    fails(SpriteError, lambda: made.list_checkpoints())
    client.delete_sprite("first")
    fails(NotFoundError, lambda: client.get_sprite("first"))
    fails(NotFoundError, lambda: client.delete_sprite("first"))
    again = client.create_sprite("first")
    assert again.id != made.id
    client.delete_sprite("first")


def burst():
    made, errors = at_once(200, lambda number: client.create_sprite(f"burst-{number:03}"))
    assert not errors, errors[:3]
    assert len({sprite.id for sprite in made}) == 200
    page = client.list_sprites(ListOptions(prefix="burst-", max_results=7))
    assert [one.name for one in page.sprites] == [f"burst-{number:03}" for number in range(7)] and page.has_more
    assert page.running == 200 and page.warm == page.cold == 0
    names = [one.name for one in client.list_all_sprites("burst-")]
    assert names == [f"burst-{number:03}" for number in range(200)]
    assert client.list_all_sprites("other-") == []
    visits = [client.http_client.get(f"{base_url}/s/{name}/").json() for name in names[:20]]
    assert len({visit["identity"] for visit in visits}) == 20 and all(visit["requests"] == 1 for visit in visits)
    at_once(50, lambda number: [client.delete_sprite(name) for name in names[number::50]])
    assert client.list_sprites().sprites == []


def one_name():
    made, errors = at_once(20, lambda _: client.create_sprite("one"))
    assert len(made) == 1 and len(errors) == 19 and all("exists" in error for error in errors), errors[:3]
    status = client.http_client.get(f"{base_url}/warmpool/v1/status").json()
    assert status["vms"]["running"] + status["vms"]["idle"] == 1, status["vms"]
    client.delete_sprite("one")


def full():
    made, errors = at_once(200, lambda number: client.create_sprite(f"full-{number:03}"))
    assert len(made) == 40 and len(errors) == 160, (len(made), errors[:3])
    assert all("status 429" in error for error in errors), errors[:3]
    body = {"name": "one-more"}
    response = client.http_client.post(f"{base_url}/v1/sprites", json=body)
    error = parse_api_error(response.status_code, response.content, dict(response.headers))
    assert error.is_rate_limit_error() and error.is_concurrent_limit_exceeded(), vars(error)
    assert error.get_retry_after_seconds() == 3 and error.current_count == error.limit == 40, vars(error)
    # Five wait; each is served as soon as one has left and its slot has been filled again.
    with ThreadPoolExecutor(5) as pool:
        wait = [pool.submit(client.create_sprite, f"patient-{number}", wait_for_capacity=True) for number in range(5)]
        for sprite in made[:5]:
            client.delete_sprite(sprite.name)
        assert {one.result(30).name for one in wait} == {f"patient-{number}" for number in range(5)}
    assert "status 429" in fails(SpriteError, lambda: client.create_sprite("impatient", wait_for_capacity=True))


def rate():
    for number in range(3):
        client.create_sprite(f"rate-{number}")
    response = client.http_client.post(f"{base_url}/v1/sprites", json={"name": "rate-3"})
    error = parse_api_error(response.status_code, response.content, dict(response.headers))
    assert error.is_rate_limit_error() and error.is_creation_rate_limited(), vars(error)
    assert error.limit == error.rate_limit_limit == 3 and error.rate_limit_remaining == 0, vars(error)
    assert 0 < error.get_retry_after_seconds() <= 600 == error.window_seconds, vars(error)


{"life": life, "burst": burst, "one-name": one_name, "full": full, "rate": rate}[part]()
print("passed")
