"""A server over HTTP, in processes of its own."""

from tests.serve.conftest import png


def test_an_answer_is_that_of_the_network(server, predictions):
    for number in range(20):
        answer = server.predict(png(number), stitch=number)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["stitch"]["id"] == number
        assert told["classes"][0]["name"] == str(predictions(number, number))
        assert told["why"] == "asked for"
