"""All that is fuzzed."""

from typing import Final

from tests.fuzz import clips, codecs, forms, images, messages
from tests.fuzz.target import Target

TARGETS: Final = {
    target.name: target
    for target in (
        Target("image-header", images.check_header, images.pictures),
        Target("picture", images.check_picture, images.pictures, 2),
        Target("jpeg", images.check_jpeg, images.jpegs, 2),
        Target("decoder", images.check_decoder, images.several),
        Target("display-matrix", images.check_display_matrix, images.matrices, 0.3),
        Target("websocket-text", messages.check_websocket_text, messages.texts),
        Target("websocket-frames", messages.check_websocket_frames, messages.websocket_frames),
        Target("grpc", messages.check_grpc, messages.grpc_messages),
        Target("parameters", messages.check_parameters, messages.parameters),
        Target("reader-answer", messages.check_reader_answer, messages.reader_answers),
        Target("state", codecs.check_state, codecs.state_bodies),
        Target("record", codecs.check_record, codecs.records),
        Target("request", codecs.check_request, codecs.requests),
        Target("form", forms.check_form, forms.forms, 2),
        Target("clip", clips.check_clip, clips.no_seeds, 4),
    )
}
