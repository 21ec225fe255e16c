from tests.live.doubles import Browser


async def test_it_plays_as_fast_as_it_is_asked_to(run, clock):
    await ask(run, type="speed", ticks_per_s=100)
    await ask(run, type="play")
    clock.now += 0.5
    await run.turn()
    assert run.tick == 50


async def ask(run, **message):
    import asyncio
    task = asyncio.create_task(run.ask(message))
    await asyncio.sleep(0)
    await run.turn()
    await task
